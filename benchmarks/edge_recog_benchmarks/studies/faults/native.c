/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults within a process, done to it from outside through a page of shared memory, the file that
 * FAULTS_CONTROL names. Preloaded into the process, and its accelerator (a TFLite delegate) as well:
 *
 *     gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o libfaults.so native.c -ldl
 *
 * - clock_offset_ns is added to the time of day, as if somebody had set the clock;
 * - while disk_hangs, writes into files whose name ends with .jsonl do not come back;
 * - while invoke_fails, the delegate, which claims every operation and copies its input to its
 *   output, says that its device is gone.
 *
 * The declarations of the delegate are the C ABI of TensorFlow Lite, as far as it is used here:
 * common.h of tensorflow/lite/core/c/ and delegates/external/external_delegate_interface.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../time_of_day.h"

typedef struct {
    int64_t clock_offset_ns;
    int32_t disk_hangs;
    int32_t invoke_fails;
} Control;

static volatile Control nothing;
static volatile Control *control = &nothing;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void) {
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    const char *path = getenv("FAULTS_CONTROL");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(Control), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) control = page;
}

/* The time of day */

int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = real_clock_gettime(clock, now);
    if (status == 0) shift_time_of_day(clock, now, control->clock_offset_ns);
    return status;
}

/* The disk */

static bool is_answers(int file) {
    char link[64], name[4096];
    struct stat found;
    if (fstat(file, &found) || !S_ISREG(found.st_mode)) return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name);
    return length >= 6 && !memcmp(name + length - 6, ".jsonl", 6);
}

ssize_t write(int file, const void *data, size_t size) {
    while (control->disk_hangs && is_answers(file)) usleep(10000);
    return real_write(file, data, size);
}

/* The accelerator */

enum { STATUS_OK = 0, STATUS_ERROR = 1 };
enum { BUILTIN_DELEGATE = 51 };       /* kTfLiteBuiltinDelegate */
enum { MEMORY_MAPPED_READ_ONLY = 1 }; /* kTfLiteMmapRo: a weight */
enum { ALLOW_DYNAMIC_TENSORS = 1 };   /* kTfLiteDelegateFlagsAllowDynamicTensors */

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int type;
    void *data;
    IntArray *dims;
    struct { float scale; int32_t zero_point; } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data;
} Node;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    int (*get_execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    int (*resize_tensor)(Context *, Tensor *, IntArray *);
    void (*report_error)(Context *, const char *, ...);
    int (*add_tensors)(Context *, int, int *);
    int (*get_node)(Context *, int, Node **, Registration **);
    int (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    int (*prepare)(Context *, Delegate *);
    void *copy_from_buffer, *copy_to_buffer, *free_buffer;
    int64_t flags;
    void *opaque_builder;
};

static int kernel_prepare(Context *context, Node *node) {
    (void)context, (void)node;
    return STATUS_OK;
}

static int kernel_invoke(Context *context, Node *node) {
    if (control->invoke_fails) {
        context->report_error(context, "faults: the device is gone");
        return STATUS_ERROR;
    }
    const Tensor *source = NULL;
    for (int i = 0; i < node->inputs->size && !source; i++) {
        int index = node->inputs->data[i];
        if (index >= 0 && context->tensors[index].allocation_type != MEMORY_MAPPED_READ_ONLY)
            source = &context->tensors[index];
    }
    const Tensor *target = &context->tensors[node->outputs->data[0]];
    if (!source || source->bytes != target->bytes) {
        context->report_error(context, "faults: it copies only, and this model does more");
        return STATUS_ERROR;
    }
    memcpy(target->data, source->data, target->bytes);
    return STATUS_OK;
}

static int delegate_prepare(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->get_execution_plan(context, &plan)) return STATUS_ERROR;
    const Registration kernel = {
        .prepare = kernel_prepare, .invoke = kernel_invoke, .builtin_code = BUILTIN_DELEGATE,
        .custom_name = "Faults", .version = 1,
    };
    size_t size = sizeof(int) * (size_t)(plan->size + 1);
    IntArray *all = malloc(size);
    memcpy(all, plan, size);
    int status = context->replace_nodes(context, kernel, all, delegate);
    free(all);
    return status;
}

Delegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values,
                                        size_t count, void (*report)(const char *)) {
    (void)keys, (void)values, (void)count, (void)report;
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = delegate_prepare;
    delegate->flags = ALLOW_DYNAMIC_TENSORS;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
