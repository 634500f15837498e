/* Preloaded into the program: kills it before the change with the number $KILL_AT of files with $KILL_FILES in their paths.
 * Of the writes, only each fortieth counts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int changes;

static void change_of(const char *path) {
    const char *at = getenv("KILL_AT"), *files = getenv("KILL_FILES");
    if (at == NULL || files == NULL || strstr(path, files) == NULL) return;
    if (__sync_add_and_fetch(&changes, 1) == atoi(at)) raise(SIGKILL);
}

static void change_by(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    change_of(path);
}

static void write_by(int fd) {
    static int writes;
    if (__sync_add_and_fetch(&writes, 1) % 40 == 0) change_by(fd);
}

int rename(const char *from, const char *to) {
    change_of(to);
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    change_of(to);
    return syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int unlink(const char *path) {
    change_of(path);
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int ftruncate(int fd, off_t length) {
    change_by(fd);
    return syscall(SYS_ftruncate, fd, length);
}

int ftruncate64(int fd, off64_t length) {
    change_by(fd);
    return syscall(SYS_ftruncate, fd, length);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    write_by(fd);
    return syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    write_by(fd);
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    write_by(fd);
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}
