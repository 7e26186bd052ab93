/* Backs up a volume in memory through callbacks, restores it, and compares: backup_c [REPOSITORY].
 * The repository is made, without a passphrase, if it is not there. */
#include <snapvault.h>
#include <stdio.h>
#include <string.h>

enum { kSize = 8 << 20 };
static unsigned char volume[kSize], restored[kSize];

static sv_code info(void* user_data, sv_block_info* out) {
  return (void)user_data, out->size = kSize, SV_OK;
}
static sv_code read_volume(void* user_data, uint64_t offset, void* into, size_t length) {
  return memcpy(into, (unsigned char*)user_data + offset, length), SV_OK;
}
static sv_code resize(void* user_data, uint64_t bytes) {
  return (void)user_data, bytes <= kSize ? SV_OK : SV_PRECONDITION_FAILED;
}
static sv_code write_volume(void* user_data, uint64_t offset, const void* data, size_t length) {
  return memcpy((unsigned char*)user_data + offset, data, length), SV_OK;
}
static sv_code zero(void* user_data, uint64_t offset, uint64_t length, int32_t may_trim) {
  return (void)may_trim, memset((unsigned char*)user_data + offset, 0, length), SV_OK;
}
static sv_code flush(void* user_data) { return (void)user_data, SV_OK; }
static int32_t show(const sv_progress* progress, void* what) {
  return printf("%s: %d of %d MiB\n", (const char*)what, (int)(progress->bytes_done >> 20),
                (int)(progress->bytes_total >> 20)) < 0;
}

int main(int argc, char** argv) {
  const char* url = argc > 1 ? argv[1] : "memory:example";
  sv_source source = {.struct_size = sizeof source, .info = info, .read = read_volume};
  sv_sink sink = {.struct_size = sizeof sink, .info = info, .resize = resize};
  sink.write = write_volume, sink.zero = zero, sink.flush = flush;
  sv_init_options init = {.struct_size = sizeof init, .no_passphrase = 1};
  sv_backup_options backup = SV_BACKUP_OPTIONS_INIT;
  backup.source = "example/volume", backup.on_progress = show, backup.progress_data = "backup";
  sv_restore_options restore = SV_RESTORE_OPTIONS_INIT;
  restore.snapshot = "example/volume@latest";
  restore.on_progress = show, restore.progress_data = "restore";
  sv_repository* repository = NULL;
  sv_error* error = NULL;
  for (size_t i = 0; i < kSize / 2; ++i) volume[i] = (unsigned char)(i * i >> 7);
  memset(restored, 0xff, kSize);
  sv_code code = sv_repository_open(url, NULL, &repository, &error);
  if (code == SV_NOT_FOUND) {
    sv_error_free(error);
    code = sv_repository_init(url, &init, &repository, &error);
  }
  if (!code) code = sv_repository_backup(repository, &source, volume, &backup, NULL, &error);
  if (!code) code = sv_repository_restore(repository, &sink, restored, &restore, NULL, &error);
  if (code) fprintf(stderr, "backup_c: %s: %s\n", sv_code_name(code), sv_error_message(error));
  const int equal = !code && memcmp(volume, restored, kSize) == 0;
  puts(equal ? "restored, and equal" : "not restored");
  sv_error_free(error);
  sv_repository_free(repository);
  return equal ? 0 : 1;
}
