/* What header.c tells the tests. */
#ifndef SNAPVAULT_TESTS_CAPI_HEADER_H
#define SNAPVAULT_TESTS_CAPI_HEADER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The sizes that both languages must agree on. */
#define HEADER_SIZES                                                                              \
  sizeof(sv_source), sizeof(sv_sink), sizeof(sv_block_info), sizeof(sv_extent), sizeof(sv_range), \
      sizeof(sv_progress), sizeof(sv_init_options), sizeof(sv_open_options),                      \
      sizeof(sv_list_options), sizeof(sv_backup_options), sizeof(sv_restore_options),             \
      sizeof(sv_snapshot_info), sizeof(sv_backup_report), sizeof(sv_restore_report)

/* Fills `out` with them; answers how many there are. */
size_t header_sizes(size_t* out, size_t capacity);

/* 1 if every _INIT macro sets struct_size and nothing else. */
int header_inits_are_right(void);

#ifdef __cplusplus
}
#endif

#endif
