/* Small reads of /proc, /sys and /etc for the built-in collectors: bounded, below the context's
 * root. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_KERNEL_H
#define TOWLINE_COLLECT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "collect/collector.h"

/* The beginning of a file as text, "" when it cannot be read; a last newline is dropped. */
void kernel_read(const struct collect_context *context, const char *path, char *text, size_t room);
/* As kernel_read, all bytes; returns their number. */
size_t kernel_read_bytes(const struct collect_context *context, const char *path, char *bytes,
			 size_t room);
/* The number behind "label" at a line's beginning; -1 when there is none. */
int64_t kernel_number(const char *text, const char *label);

#endif
