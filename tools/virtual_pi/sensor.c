// What libcamera's virtual camera lacks to be a Raspberry Pi's: loaded before picamera2 (LD_PRELOAD).
//
// 1. Memory: picamera2 and libcamera ask /dev/dma_heap/* or /dev/udmabuf for it, which a container
//    does not have. Here it is anonymous memory (memfd).
// 2. Whether a frame is good: the virtual pipeline of libcamera 0.4 never writes a buffer's
//    metadata. Its status is whatever was in memory before, and picamera2 throws away, without a
//    word, each frame whose status is not "success": all, some or none of the few buffers, for as
//    long as the camera is open.
// 3. A clock: it fills a buffer the moment it is queued, hundreds of times a second, whatever
//    FrameDurationLimits says, and picamera2's threads do nothing but hand buffers to and fro. Here
//    VIRTUAL_CAMERA_RATE requests a second are completed (30 by default; 0 for no clock).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_memory(const char *path)
{
    return path && (!strncmp(path, "/dev/dma_heap/", 14) || !strcmp(path, "/dev/udmabuf"));
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    if (is_memory(path))
        return syscall(SYS_memfd_create, "dma-heap", (flags & O_CLOEXEC) ? MFD_CLOEXEC : 0);
    return syscall(SYS_openat, folder, path, flags, mode);
}

#define WITH_MODE(call)                                                                            \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                         \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode = va_arg(more, mode_t);                                                               \
        va_end(more);                                                                              \
    }                                                                                              \
    return call;

int open(const char *path, int flags, ...) { WITH_MODE(open_at(AT_FDCWD, path, flags, mode)) }
int open64(const char *path, int flags, ...)
{
    WITH_MODE(open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode))
}
int openat(int folder, const char *path, int flags, ...)
{
    WITH_MODE(open_at(folder, path, flags, mode))
}
int openat64(int folder, const char *path, int flags, ...)
{
    WITH_MODE(open_at(folder, path, flags | O_LARGEFILE, mode))
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *data = va_arg(more, void *);
    va_end(more);
    switch (request) {
    case DMA_HEAP_IOCTL_ALLOC: {
        struct dma_heap_allocation_data *wanted = data;
        int memory = syscall(SYS_memfd_create, "dma-buf", MFD_CLOEXEC);
        if (memory < 0)
            return -1;
        if (ftruncate(memory, wanted->len)) {
            close(memory);
            return -1;
        }
        wanted->fd = memory;
        return 0;
    }
    case UDMABUF_CREATE:
        return fcntl(((struct udmabuf_create *)data)->memfd, F_DUPFD_CLOEXEC, 0);
    case DMA_BUF_IOCTL_SYNC: {
        int done = syscall(SYS_ioctl, fd, request, data);
        return (done < 0 && errno == ENOTTY) ? 0 : done;
    }
    case DMA_BUF_SET_NAME_A:
    case DMA_BUF_SET_NAME_B:
        return 0;
    default:
        return syscall(SYS_ioctl, fd, request, data);
    }
}

// libcamera's own functions, by the names that C++ gives them. It was loaded by Python, for Python
// alone, so RTLD_NEXT does not find them.
#define COMPLETE_BUFFER                                                                            \
    _ZN9libcamera15PipelineHandler14completeBufferEPNS_7RequestEPNS_11FrameBufferE
#define COMPLETE_REQUEST _ZN9libcamera15PipelineHandler15completeRequestEPNS_7RequestE
#define METADATA _ZNK9libcamera11FrameBuffer8metadataEv
#define TEXT_OF(name) TEXT(name)
#define TEXT(name) #name

static void *of_libcamera(const char *name)
{
    void *library = dlopen("libcamera.so.0.4", RTLD_LAZY | RTLD_NOLOAD);
    void *found = library ? dlsym(library, name) : NULL;
    if (!found) {
        fprintf(stderr, "sensor: libcamera 0.4 has no %s\n", name);
        abort();
    }
    return found;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void wait_for_turn(void)
{
    static int64_t due_ns;
    const char *text = getenv("VIRTUAL_CAMERA_RATE");
    double rate = text ? atof(text) : 30.0;
    if (rate <= 0)
        return;
    int64_t period_ns = (int64_t)(1e9 / rate), now = now_ns();
    if (due_ns <= now) {
        due_ns = now + period_ns; // late: no frame is made up for
        return;
    }
    struct timespec until = {due_ns / 1000000000, due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    due_ns += period_ns;
}

// How libcamera::FrameMetadata begins.
struct metadata {
    unsigned int status; // 0 is success
    unsigned int sequence;
    uint64_t timestamp_ns;
};

bool COMPLETE_BUFFER(void *handler, void *request, void *buffer)
{
    static bool (*complete)(void *, void *, void *);
    static struct metadata *(*metadata_of)(const void *);
    static unsigned int sequence;
    if (!complete) {
        *(void **)&metadata_of = of_libcamera(TEXT_OF(METADATA));
        *(void **)&complete = of_libcamera(TEXT_OF(COMPLETE_BUFFER));
    }
    struct metadata *metadata = metadata_of(buffer);
    metadata->status = 0;
    metadata->sequence = sequence++;
    metadata->timestamp_ns = now_ns();
    return complete(handler, request, buffer);
}

void COMPLETE_REQUEST(void *handler, void *request)
{
    static void (*complete)(void *, void *);
    if (!complete)
        *(void **)&complete = of_libcamera(TEXT_OF(COMPLETE_REQUEST));
    wait_for_turn();
    complete(handler, request);
}
