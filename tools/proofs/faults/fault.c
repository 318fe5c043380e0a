/*
 * Loaded into a process in front of the C library (LD_PRELOAD). It counts the calls that change files in one folder, or
 * open them, and makes the one with a given number go wrong. SQLite's own I/O passes through here as well as Node's.
 *
 *   FAULT_FOLDER  calls on files in this folder count; all other calls are left alone
 *   FAULT_TRACE   gets a line per counted call, and "!" where the fault has happened
 *   FAULT_AT      the number of the call, from 1; 0: only count
 *   FAULT_KIND    kill         the process dies before the call
 *                 half         the process dies after the first half of a write; only writes count
 *                 eio          the call fails, once
 *                 enospc       from here on, whatever needs space fails; only that counts
 *                 torn, lost, misdirected   a write reports success, and is in part, not, or elsewhere on the disk;
 *                              only writes count
 *   FAULT_SEED    chooses how much of a torn write remains, and where a misdirected one goes
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *folder, *kind;
static long at, seed;
static int trace = -1;
static atomic_long calls;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("FAULT_TRACE"), *number = getenv("FAULT_AT"), *chosen = getenv("FAULT_SEED");
  folder = getenv("FAULT_FOLDER");
  kind = getenv("FAULT_KIND");
  if (kind == NULL) kind = "";
  if (number != NULL) at = atol(number);
  if (chosen != NULL) seed = atol(chosen);
  if (path != NULL) trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is(const char *name) { return strcmp(kind, name) == 0; }
static int silent(void) { return is("torn") || is("lost") || is("misdirected"); }
static int inside(const char *path) { return folder != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0; }

static void note(const char *text, const char *path) {
  char line[512];
  if (trace < 0) return;
  const char *base = strrchr(path, '/');
  int length = snprintf(line, sizeof line, "%s %s\n", text, base == NULL ? path : base + 1);
  syscall(SYS_write, trace, line, length < (int)sizeof line ? length : (int)sizeof line);
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

enum need { ANYTHING, SPACE };
enum step { GO_ON, FAIL, CHANGE };

/* Counts a call on a file, and says what becomes of it. Sets errno for FAIL. */
static enum step count(const char *name, const char *path, enum need need) {
  int write = strcmp(name, "write") == 0;
  /* SQLite's -shm is memory that its connections share, and is never read again: no disk is asked to keep it. */
  const char *end = strrchr(path, '-');
  if (end != NULL && strcmp(end, "-shm") == 0 && write) return GO_ON;
  if ((silent() || is("half")) && !write) return GO_ON;
  if (is("enospc") && need != SPACE) return GO_ON;
  long number = atomic_fetch_add(&calls, 1) + 1;
  note(name, path);
  if (at == 0 || number < at || (number > at && !is("enospc"))) return GO_ON;
  note("!", path);
  if (is("eio") || is("enospc")) {
    errno = is("eio") ? EIO : ENOSPC;
    return FAIL;
  }
  if (is("kill")) die();
  return CHANGE;
}

static enum step on_path(const char *name, const char *path, enum need need) {
  return inside(path) ? count(name, path, need) : GO_ON;
}

static enum step on_file(const char *name, int file, enum need need) {
  char link[64], path[4096];
  if (folder == NULL) return GO_ON;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return GO_ON;
  path[length] = 0;
  return on_path(name, path, need);
}

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (real == NULL) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A write that goes wrong. `offset` < 0: at the file's position, which moves on as it should. */
static ssize_t changed(int file, const char *bytes, size_t length, off_t offset) {
  off_t place = offset < 0 ? lseek(file, 0, SEEK_CUR) : offset;
  size_t some = length;
  if (is("half")) some = length / 2;
  if (is("torn")) some = length < 2 ? 0 : 1 + (size_t)seed % (length - 1);
  if (is("lost")) some = 0;
  off_t there = is("misdirected") ? (off_t)((unsigned long)place ^ (4096ul << ((unsigned long)seed % 3))) : place;
  if (some > 0) syscall(SYS_pwrite64, file, bytes, some, there);
  if (is("half")) die();
  if (offset < 0) lseek(file, place + (off_t)length, SEEK_SET);
  return (ssize_t)length;
}

ssize_t write(int file, const void *bytes, size_t length) {
  REAL(ssize_t, write, int, const void *, size_t);
  switch (on_file("write", file, SPACE)) {
    case FAIL: return -1;
    case CHANGE: return changed(file, bytes, length, -1);
    default: return real(file, bytes, length);
  }
}

#define PWRITE(name)                                                          \
  ssize_t name(int file, const void *bytes, size_t length, off_t offset) {    \
    REAL(ssize_t, name, int, const void *, size_t, off_t);                    \
    switch (on_file("write", file, SPACE)) {                                  \
      case FAIL: return -1;                                                   \
      case CHANGE: return changed(file, bytes, length, offset);               \
      default: return real(file, bytes, length, offset);                      \
    }                                                                         \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

/* Several pieces: the first of them stands for all where the write goes wrong. */
#define VECTOR(name, offset, parameters, arguments, ...)                      \
  ssize_t name parameters {                                                   \
    REAL(ssize_t, name, __VA_ARGS__);                                         \
    switch (on_file("write", file, SPACE)) {                                  \
      case FAIL: return -1;                                                   \
      case CHANGE: return changed(file, parts[0].iov_base, parts[0].iov_len, offset); \
      default: return real arguments;                                         \
    }                                                                         \
  }
VECTOR(writev, -1, (int file, const struct iovec *parts, int n), (file, parts, n), int, const struct iovec *, int)
VECTOR(pwritev, offset, (int file, const struct iovec *parts, int n, off_t offset), (file, parts, n, offset), int, const struct iovec *, int, off_t)
VECTOR(pwritev64, offset, (int file, const struct iovec *parts, int n, off_t offset), (file, parts, n, offset), int, const struct iovec *, int, off_t)

#define ON_FILE(name, shown, need, parameters, arguments, ...)                \
  int name parameters {                                                       \
    REAL(int, name, __VA_ARGS__);                                             \
    return on_file(shown, file, need) == FAIL ? -1 : real arguments;          \
  }
ON_FILE(fsync, "fsync", ANYTHING, (int file), (file), int)
ON_FILE(fdatasync, "fsync", ANYTHING, (int file), (file), int)
ON_FILE(ftruncate, "truncate", ANYTHING, (int file, off_t length), (file, length), int, off_t)
ON_FILE(ftruncate64, "truncate", ANYTHING, (int file, off_t length), (file, length), int, off_t)
ON_FILE(fchmod, "chmod", ANYTHING, (int file, mode_t mode), (file, mode), int, mode_t)
ON_FILE(fchown, "chown", ANYTHING, (int file, uid_t user, gid_t group), (file, user, group), int, uid_t, gid_t)

#define ON_PATH(name, shown, need, parameters, arguments, ...)                \
  int name parameters {                                                       \
    REAL(int, name, __VA_ARGS__);                                             \
    return on_path(shown, path, need) == FAIL ? -1 : real arguments;          \
  }
ON_PATH(unlink, "unlink", ANYTHING, (const char *path), (path), const char *)
ON_PATH(rmdir, "rmdir", ANYTHING, (const char *path), (path), const char *)
ON_PATH(truncate, "truncate", ANYTHING, (const char *path, off_t length), (path, length), const char *, off_t)
ON_PATH(mkdir, "mkdir", SPACE, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
ON_PATH(rename, "rename", ANYTHING, (const char *path, const char *to), (path, to), const char *, const char *)
ON_PATH(link, "link", SPACE, (const char *path, const char *to), (path, to), const char *, const char *)

#define OPEN(name, before, call, ...)                                         \
  int name(before const char *path, int flags, ...) {                         \
    REAL(int, name, __VA_ARGS__);                                             \
    va_list more;                                                             \
    va_start(more, flags);                                                    \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;   \
    va_end(more);                                                             \
    int creates = flags & O_CREAT && faccessat(AT_FDCWD, path, F_OK, 0) != 0; \
    if (on_path(creates ? "create" : "open", path, creates ? SPACE : ANYTHING) == FAIL) return -1; \
    return real call;                                                         \
  }
#define COMMA ,
OPEN(open, , (path, flags, mode), const char *, int, ...)
OPEN(open64, , (path, flags, mode), const char *, int, ...)
OPEN(openat, int where COMMA, (where, path, flags, mode), int, const char *, int, ...)
OPEN(openat64, int where COMMA, (where, path, flags, mode), int, const char *, int, ...)
