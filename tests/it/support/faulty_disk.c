/* Preloaded into the server: makes as many reads and writes of the database fail as the test sets. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The content of the file $FAULTS, shared with the test. -1 stands for all. */
struct control {
    volatile int32_t writes, reads, error, injected;
};

static struct control *control(void) {
    static struct control *shared;
    if (shared == NULL && getenv("FAULTS") != NULL) {
        int fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULTS"), O_RDWR | O_CLOEXEC, 0);
        void *mapped = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) abort();
        syscall(SYS_close, fd);
        shared = mapped;
    }
    return shared;
}

/* Ignores SIGXFSZ, so that a write beyond the file size limit fails instead of killing the server. */
__attribute__((constructor)) static void survive(void) { signal(SIGXFSZ, SIG_IGN); }

static int is_database(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, ".db") != NULL && strstr(path, "-shm") == NULL;
}

static int fails(int fd, int is_write) {
    int saved = errno;
    struct control *c = control();
    if (c == NULL) return 0;
    volatile int32_t *left = is_write ? &c->writes : &c->reads;
    if (*left == 0 || !is_database(fd)) {
        errno = saved;
        return 0;
    }
    if (*left > 0 && __sync_fetch_and_sub(left, 1) <= 0) {
        *left = 0;
        errno = saved;
        return 0;
    }
    __sync_fetch_and_add(&c->injected, 1);
    errno = c->error;
    return 1;
}

ssize_t write(int fd, const void *from, size_t size) {
    return fails(fd, 1) ? -1 : syscall(SYS_write, fd, from, size);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    return fails(fd, 1) ? -1 : syscall(SYS_pwrite64, fd, from, size, at);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    return fails(fd, 1) ? -1 : syscall(SYS_pwrite64, fd, from, size, at);
}
ssize_t read(int fd, void *into, size_t size) {
    return fails(fd, 0) ? -1 : syscall(SYS_read, fd, into, size);
}
ssize_t pread(int fd, void *into, size_t size, off_t at) {
    return fails(fd, 0) ? -1 : syscall(SYS_pread64, fd, into, size, at);
}
ssize_t pread64(int fd, void *into, size_t size, off64_t at) {
    return fails(fd, 0) ? -1 : syscall(SYS_pread64, fd, into, size, at);
}
int fsync(int fd) {
    return fails(fd, 1) ? -1 : syscall(SYS_fsync, fd);
}
int fdatasync(int fd) {
    return fails(fd, 1) ? -1 : syscall(SYS_fdatasync, fd);
}
int ftruncate(int fd, off_t size) {
    return fails(fd, 1) ? -1 : syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) {
    return fails(fd, 1) ? -1 : syscall(SYS_ftruncate, fd, size);
}

/* While all writes fail with EROFS, opening a database file for writing fails, too, as on a read-only file system. */
static int opens(const char *path, int flags, va_list more) {
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    if ((flags & O_ACCMODE) != O_RDONLY && strstr(path, ".db") != NULL) {
        struct control *c = control();
        if (c != NULL && c->writes < 0 && c->error == EROFS) {
            errno = EROFS;
            return -1;
        }
    }
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = opens(path, flags, more);
    va_end(more);
    return fd;
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = opens(path, flags, more);
    va_end(more);
    return fd;
}
