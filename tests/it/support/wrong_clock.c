/* Preloaded into the server: the clock differs by the number of seconds that the test writes to the file $CLOCK. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *difference(void) {
    static volatile int64_t *shared;
    if (shared == NULL && getenv("CLOCK") != NULL) {
        int fd = open(getenv("CLOCK"), O_RDONLY | O_CLOEXEC);
        void *mapped = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) abort();
        close(fd);
        shared = mapped;
    }
    return shared;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (failed == 0 && clock == CLOCK_REALTIME && difference() != NULL) now->tv_sec += *difference();
    return failed;
}
