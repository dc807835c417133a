/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake delegate as an Edge TPU that somebody pulls out: `edge_tpu_pull_out()` has whatever runs
 * on it fail from then on, and opening it anew as well, until `edge_tpu_plug_in()`.
 *
 *     gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o libedgetpu.so.1 edge_tpu.c
 *
 * Like libedgetpu it gives no reason when there is no device.
 */
#define tflite_plugin_create_delegate create_plain
#define tflite_plugin_destroy_delegate destroy_plain
#include "../../native/fake_delegate.c"
#undef tflite_plugin_create_delegate
#undef tflite_plugin_destroy_delegate

static Delegate *in_use;
static bool is_away;

void edge_tpu_pull_out(void) {
    is_away = true;
    if (in_use) ((State *)in_use->data)->failure = FAIL_INVOKE;
}

void edge_tpu_plug_in(void) { is_away = false; }

Delegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values,
                                        size_t count, void (*report)(const char *)) {
    return in_use = is_away ? NULL : create_plain(keys, values, count, report);
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
    if (delegate == in_use) in_use = NULL;
    destroy_plain(delegate);
}
