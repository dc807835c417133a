/* SPDX-License-Identifier: Apache-2.0
 *
 * A TFLite external delegate for tests. It claims operations as libedgetpu does and needs no device.
 *
 *     gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o libfake.so fake_delegate.c
 *
 * Options: claim=edgetpu (default: operations named edgetpu-custom-op) | all | none,
 *          fail=create|prepare|invoke|crash, device=<anything but "usb:9", which is not there>.
 * A claimed node fills its outputs with its first variable input, repeated.
 *
 * The declarations are the C ABI of TensorFlow Lite, as far as it is used here: common.h of
 * tensorflow/lite/core/c/ (TfLiteContext, TfLiteNode, TfLiteRegistration, TfLiteTensor,
 * TfLiteDelegate, TfLiteDelegateParams) and tensorflow/lite/delegates/external/
 * external_delegate_interface.h. Tried with tflite-runtime 2.14 and ai-edge-litert 2.3; where the
 * runtime reads a structure of ours (registration, delegate) it is declared to its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OK = 0, STATUS_ERROR = 1 };
enum { BUILTIN_DELEGATE = 51 };   /* kTfLiteBuiltinDelegate */
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

typedef struct { Delegate *delegate; } DelegateParams; /* its first member is all we read */

typedef enum { CLAIM_EDGE_TPU, CLAIM_ALL, CLAIM_NONE } Claim;
typedef enum { FAIL_NEVER, FAIL_CREATE, FAIL_PREPARE, FAIL_INVOKE, FAIL_CRASH } Failure;
typedef struct { Claim claim; Failure failure; } State;

/* What tests read: fake_delegate_count("claimed"), … */
static struct { long created, destroyed, claimed, invoked, kernels, kernels_freed_late; } counts;

long fake_delegate_count(const char *what) {
    if (!strcmp(what, "created")) return counts.created;
    if (!strcmp(what, "destroyed")) return counts.destroyed;
    if (!strcmp(what, "claimed")) return counts.claimed;
    if (!strcmp(what, "invoked")) return counts.invoked;
    if (!strcmp(what, "kernels")) return counts.kernels;
    if (!strcmp(what, "kernels freed late")) return counts.kernels_freed_late;
    return -1;
}

static void *kernel_init(Context *context, const char *buffer, size_t length) {
    (void)context, (void)length;
    counts.kernels++;
    return ((const DelegateParams *)buffer)->delegate;
}

static void kernel_free(Context *context, void *delegate) {
    (void)context, (void)delegate;
    /* The real one would use the delegate here, and crash if it is gone. */
    if (counts.destroyed == counts.created) counts.kernels_freed_late++;
    counts.kernels--;
}

static int kernel_prepare(Context *context, Node *node) {
    (void)context, (void)node;
    return STATUS_OK;
}

static int kernel_invoke(Context *context, Node *node) {
    const State *state = ((Delegate *)node->user_data)->data;
    if (state->failure == FAIL_CRASH) abort();
    if (state->failure == FAIL_INVOKE) {
        context->report_error(context, "fake delegate: the device is gone");
        return STATUS_ERROR;
    }
    const Tensor *source = NULL;
    for (int i = 0; i < node->inputs->size && !source; i++) {
        int index = node->inputs->data[i];
        if (index >= 0 && context->tensors[index].allocation_type != MEMORY_MAPPED_READ_ONLY)
            source = &context->tensors[index];
    }
    for (int i = 0; i < node->outputs->size; i++) {
        const Tensor *target = &context->tensors[node->outputs->data[i]];
        if (!source || !source->bytes || !target->data) {
            context->report_error(context, "fake delegate: nothing to copy");
            return STATUS_ERROR;
        }
        for (size_t at = 0; at < target->bytes; at++)
            ((uint8_t *)target->data)[at] = ((const uint8_t *)source->data)[at % source->bytes];
    }
    counts.invoked++;
    return STATUS_OK;
}

static bool wants(const State *state, const Registration *registration) {
    if (state->claim == CLAIM_EDGE_TPU)
        return registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op");
    return state->claim == CLAIM_ALL;
}

static int delegate_prepare(Context *context, Delegate *delegate) {
    const State *state = delegate->data;
    IntArray *plan;
    if (state->failure == FAIL_PREPARE) {
        context->report_error(context, "fake delegate: cannot compile this graph");
        return STATUS_ERROR;
    }
    if (context->get_execution_plan(context, &plan)) return STATUS_ERROR;
    IntArray *claimed = malloc(sizeof(int) * (size_t)(plan->size + 1));
    claimed->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *registration;
        if (context->get_node(context, plan->data[i], &node, &registration)) break;
        if (wants(state, registration)) claimed->data[claimed->size++] = plan->data[i];
    }
    counts.claimed = claimed->size;
    const Registration kernel = {
        .init = kernel_init, .free = kernel_free, .prepare = kernel_prepare,
        .invoke = kernel_invoke, .builtin_code = BUILTIN_DELEGATE,
        .custom_name = "FakeDelegate", .version = 1,
    };
    int status = STATUS_OK;
    if (claimed->size)
        status = context->replace_nodes(context, kernel, claimed, delegate);
    free(claimed);
    return status;
}

static bool set_option(State *state, const char *key, const char *value, const char **problem) {
    static const char *const claims[] = {"edgetpu", "all", "none"};
    static const char *const failures[] = {"never", "create", "prepare", "invoke", "crash"};
    *problem = "unknown option";
    if (!strcmp(key, "device")) {
        *problem = "no such device";
        return strcmp(value, "usb:9") != 0;
    }
    if (!strcmp(key, "claim"))
        for (int i = 0; i < 3; i++)
            if (!strcmp(value, claims[i])) return state->claim = (Claim)i, true;
    if (!strcmp(key, "fail"))
        for (int i = 0; i < 5; i++)
            if (!strcmp(value, failures[i])) return state->failure = (Failure)i, true;
    return false;
}

Delegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values,
                                        size_t count, void (*report)(const char *)) {
    State *state = calloc(1, sizeof *state);
    for (size_t i = 0; i < count; i++) {
        const char *problem;
        if (!set_option(state, keys[i], values[i], &problem)) {
            if (report) report(problem);
            free(state);
            return NULL;
        }
    }
    if (state->failure == FAIL_CREATE) {
        free(state);
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->data = state;
    delegate->prepare = delegate_prepare;
    delegate->flags = ALLOW_DYNAMIC_TENSORS;
    counts.created++;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
    if (!delegate) return;
    counts.destroyed++;
    free(delegate->data);
    free(delegate);
}
