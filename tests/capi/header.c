/* snapvault.h as C99 sees it: every _INIT macro, and sizes to compare with those of C++. */
#include "snapvault.h"

#include "header.h"

size_t header_sizes(size_t* out, size_t capacity) {
  const size_t sizes[] = {HEADER_SIZES};
  const size_t count = sizeof sizes / sizeof sizes[0];
  size_t i;
  for (i = 0; i < count && i < capacity; ++i) out[i] = sizes[i];
  return count;
}

int header_inits_are_right(void) {
  const sv_source source = SV_SOURCE_INIT;
  const sv_sink sink = SV_SINK_INIT;
  const sv_init_options init = SV_INIT_OPTIONS_INIT;
  const sv_open_options open = SV_OPEN_OPTIONS_INIT;
  const sv_list_options list = SV_LIST_OPTIONS_INIT;
  const sv_backup_options backup = SV_BACKUP_OPTIONS_INIT;
  const sv_restore_options restore = SV_RESTORE_OPTIONS_INIT;
  return source.struct_size == sizeof source && !source.interrupt &&
         sink.struct_size == sizeof sink && !sink.interrupt && init.struct_size == sizeof init &&
         open.struct_size == sizeof open && list.struct_size == sizeof list && list.limit == 0 &&
         backup.struct_size == sizeof backup && !backup.on_progress &&
         restore.struct_size == sizeof restore && restore.range.length == 0;
}
