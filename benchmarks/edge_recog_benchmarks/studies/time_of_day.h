/* SPDX-License-Identifier: Apache-2.0
 *
 * A time of day that is wrong, for a library that is preloaded into a process. Include it in one
 * file, which defines clock_gettime by shift_time_of_day; gettimeofday and time go by that one.
 */
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

/* Moves what a clock tells, if it tells the time of day. */
static void shift_time_of_day(clockid_t clock, struct timespec *now, int64_t offset_ns) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return;
    int64_t shifted = now->tv_sec * 1000000000LL + now->tv_nsec + offset_ns;
    now->tv_sec = shifted / 1000000000LL;
    now->tv_nsec = shifted % 1000000000LL;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (where) *where = precise.tv_sec;
    return precise.tv_sec;
}
