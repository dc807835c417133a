/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults at the calls by which a process changes files below one folder. Preloaded into a process,
 * which arms itself:
 *
 *     gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o libstorefaults.so native.c
 *
 * Every call that changes something (a file that is created, written, cut, synced, renamed or
 * removed, a folder that is made, synced or removed) is a step; they are counted from 1. At one of
 * them, or at one that reads, what was chosen is done. Each step that took place is written into a
 * trace, one line each with tabs between: enough to say what a power cut would have left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../time_of_day.h"

enum {
    NOTHING,
    KILL_BEFORE,
    KILL_WITHIN, /* half of what is written; else after the step */
    KILL_AFTER,
    FAIL,       /* the step does not take place; half of a write does */
    FAIL_AFTER, /* it does, and fails all the same */
    FAIL_READ,
};

static char root[PATH_MAX];
static size_t root_length;
static int action, failing_step, failure, steps, reads, trace = -1;
static bool is_sticky;
static int64_t clock_offset_ns;
static bool has_happened;

void store_faults_arm(const char *folder, int what, int step, int error, int sticky,
                      const char *trace_path) {
    root_length = strlen(folder);
    memcpy(root, folder, root_length + 1);
    action = what, failing_step = step, failure = error, is_sticky = sticky;
    steps = reads = 0, has_happened = false;
    trace = trace_path ? (int)syscall(SYS_openat, AT_FDCWD, trace_path,
                                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0600)
                       : -1;
}

int store_faults_disarm(int *happened, int *reads_seen) {
    *happened = has_happened, *reads_seen = reads;
    root_length = 0;
    if (trace >= 0) syscall(SYS_close, trace);
    trace = -1;
    return steps;
}

void store_faults_clock(int64_t offset_ns) { clock_offset_ns = offset_ns; }

/* Which path a call is about; empty if it is none below the folder. */

static bool is_ours(const char *path) {
    return root_length && !strncmp(path, root, root_length) &&
           (path[root_length] == '/' || path[root_length] == 0);
}

static bool path_of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return false;
    path[length] = 0;
    return is_ours(path);
}

static bool path_at(int folder, const char *name, char *path) {
    if (!root_length) return false;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return false;
        } else if (!path_of_fd(folder, base)) {
            return false;
        }
        if (!strcmp(name, ".")) name = "";
        if ((size_t)snprintf(path, PATH_MAX, *name ? "%s/%s" : "%s%s", base, name) >= PATH_MAX)
            return false;
    }
    return is_ours(path);
}

/* The steps */

static void die(void) { syscall(SYS_kill, syscall(SYS_getpid), SIGKILL); }

typedef enum { GO_ON, REFUSE, REFUSE_AFTER, DIE_WITHIN, DIE_AFTER } Verdict;

static Verdict next_step(bool takes_room) {
    steps++;
    bool is_it = steps == failing_step || (is_sticky && has_happened && steps > failing_step);
    if (!is_it || action == NOTHING || action == FAIL_READ) return GO_ON;
    if (action == FAIL && failure == ENOSPC && !takes_room) {
        /* A full disk lets go of files; the next step that takes room fails in its place. */
        if (!has_happened && !is_sticky) failing_step++;
        if (is_sticky) has_happened = true;
        return GO_ON;
    }
    has_happened = true;
    switch (action) {
    case KILL_BEFORE: die(); return GO_ON;
    case KILL_WITHIN: return DIE_WITHIN;
    case KILL_AFTER: return DIE_AFTER;
    case FAIL: return REFUSE;
    case FAIL_AFTER: return REFUSE_AFTER;
    }
    return GO_ON;
}

static void note(const char *line) {
    if (trace >= 0) syscall(SYS_write, trace, line, strlen(line));
}

static void note_paths(const char *what, const char *path, const char *other) {
    char line[2 * PATH_MAX + 32];
    if (trace < 0) return;
    snprintf(line, sizeof line, "%s\t%s%s%s\n", what, path + root_length, other ? "\t" : "",
             other ? other + root_length : "");
    note(line);
}

static void note_data(const char *path, off_t at, const unsigned char *data, size_t size) {
    if (trace < 0 || !size) return;
    size_t room = PATH_MAX + 64 + 2 * size;
    char *line = malloc(room);
    int used = snprintf(line, room, "write\t%s\t%lld\t", path + root_length, (long long)at);
    for (size_t i = 0; i < size; i++) used += sprintf(line + used, "%02x", data[i]);
    line[used++] = '\n', line[used] = 0;
    note(line);
    free(line);
}

/* Ends a step that took place. */
static int ended(Verdict verdict, int status) {
    if (verdict == DIE_WITHIN || verdict == DIE_AFTER) die();
    if (verdict == REFUSE_AFTER && status >= 0) {
        errno = failure;
        return -1;
    }
    return status;
}

static int refused(void) {
    errno = failure;
    return -1;
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    bool creates = false;
    if ((flags & O_CREAT) && path_at(folder, name, path)) {
        struct stat found;
        creates = syscall(SYS_newfstatat, folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0;
    }
    if (!creates) return (int)syscall(SYS_openat, folder, name, flags, mode);
    Verdict verdict = next_step(true);
    if (verdict == REFUSE) return refused();
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0) note_paths("create", path, NULL);
    int told = ended(verdict, fd);
    if (told < 0 && fd >= 0) syscall(SYS_close, fd);
    return told;
}

#define OPEN(function, parameters, folder) \
    int function parameters { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = (mode_t)va_arg(rest, int); \
            va_end(rest); \
        } \
        return open_at(folder, name, flags, mode); \
    }

OPEN(open, (const char *name, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *name, int flags, ...), AT_FDCWD)
OPEN(openat, (int folder, const char *name, int flags, ...), folder)
OPEN(openat64, (int folder, const char *name, int flags, ...), folder)

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!root_length || !size || !path_of_fd(fd, path)) return syscall(SYS_write, fd, data, size);
    off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    Verdict verdict = next_step(true);
    size_t wanted = verdict == REFUSE || verdict == DIE_WITHIN ? size / 2 : size;
    ssize_t written = wanted ? syscall(SYS_write, fd, data, wanted) : 0;
    if (written > 0) note_data(path, at, data, (size_t)written);
    if (verdict == REFUSE) return refused();
    return ended(verdict, 0) < 0 ? -1 : written;
}

static int sync_fd(long number, int fd) {
    char path[PATH_MAX];
    if (!root_length || !path_of_fd(fd, path)) return (int)syscall(number, fd);
    Verdict verdict = next_step(true);
    if (verdict == REFUSE) return refused();
    int status = (int)syscall(number, fd);
    if (status == 0) note_paths("sync", path, NULL);
    return ended(verdict, status);
}

int fsync(int fd) { return sync_fd(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_fd(SYS_fdatasync, fd); }

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    if (!root_length || !path_of_fd(fd, path)) return (int)syscall(SYS_ftruncate, fd, size);
    fprintf(stderr, "store faults: nobody knows how to trace a file that is cut: %s\n", path);
    abort();
}

static int rename_at(int from, const char *name, int to, const char *target) {
    char before[PATH_MAX], after[PATH_MAX];
    if (!path_at(from, name, before) || !path_at(to, target, after))
        return (int)syscall(SYS_renameat2, from, name, to, target, 0);
    Verdict verdict = next_step(true);
    if (verdict == REFUSE) return refused();
    int status = (int)syscall(SYS_renameat2, from, name, to, target, 0);
    if (status == 0) note_paths("rename", before, after);
    return ended(verdict, status);
}

int rename(const char *name, const char *target) {
    return rename_at(AT_FDCWD, name, AT_FDCWD, target);
}

int renameat(int from, const char *name, int to, const char *target) {
    return rename_at(from, name, to, target);
}

static int remove_at(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    struct stat found;
    /* What is not there, or a folder that is taken for a file, changes nothing: no step. */
    bool is_step = path_at(folder, name, path) &&
                   syscall(SYS_newfstatat, folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISDIR(found.st_mode) == !!(flags & AT_REMOVEDIR);
    if (!is_step) return (int)syscall(SYS_unlinkat, folder, name, flags);
    Verdict verdict = next_step(false);
    if (verdict == REFUSE) return refused();
    int status = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (status == 0) note_paths("remove", path, NULL);
    return ended(verdict, status);
}

int unlink(const char *name) { return remove_at(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return remove_at(AT_FDCWD, name, AT_REMOVEDIR); }
int unlinkat(int folder, const char *name, int flags) { return remove_at(folder, name, flags); }

static int make_at(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    bool is_step = path_at(folder, name, path) &&
                   syscall(SYS_newfstatat, folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0;
    if (!is_step) return (int)syscall(SYS_mkdirat, folder, name, mode);
    Verdict verdict = next_step(true);
    if (verdict == REFUSE) return refused();
    int status = (int)syscall(SYS_mkdirat, folder, name, mode);
    if (status == 0) note_paths("mkdir", path, NULL);
    return ended(verdict, status);
}

int mkdir(const char *name, mode_t mode) { return make_at(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return make_at(folder, name, mode); }

/* Reading */

static bool fails_to_read(int fd) {
    char path[PATH_MAX];
    if (!root_length || !path_of_fd(fd, path)) return false;
    reads++;
    if (action != FAIL_READ) return false;
    bool is_it = reads == failing_step || (is_sticky && reads > failing_step);
    if (is_it) has_happened = true, errno = failure;
    return is_it;
}

ssize_t read(int fd, void *data, size_t size) {
    return fails_to_read(fd) ? -1 : syscall(SYS_read, fd, data, size);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    return fails_to_read(fd) ? -1 : syscall(SYS_pread64, fd, data, size, at);
}

/* The time of day */

int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (status == 0) shift_time_of_day(clock, now, clock_offset_ns);
    return status;
}
