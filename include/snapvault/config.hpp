// Version and symbol visibility. Nothing here needs another header.
#pragma once

#define SNAPVAULT_VERSION_MAJOR 0
#define SNAPVAULT_VERSION_MINOR 1
#define SNAPVAULT_VERSION_PATCH 0
#define SNAPVAULT_VERSION_STRING "0.1.0"

// Marks what the shared library exports; everything else is hidden.
#if defined(__GNUC__)
#define SNAPVAULT_EXPORT [[gnu::visibility("default")]]
#else
#define SNAPVAULT_EXPORT
#endif
