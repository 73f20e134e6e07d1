#include "collect/kernel.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t kernel_read_bytes(const struct collect_context *context, const char *path, char *bytes,
			 size_t room)
{
	char full[PATH_MAX];
	size_t len = 0;
	ssize_t n = 1;
	tl_fd int fd = -1;

	snprintf(full, sizeof full, "%s%s", context->root, path);
	fd = open(full, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	while (fd >= 0 && n > 0 && len < room) {
		n = read(fd, bytes + len, room - len);
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

void kernel_read(const struct collect_context *context, const char *path, char *text, size_t room)
{
	size_t len = kernel_read_bytes(context, path, text, room - 1);

	if (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
}

int64_t kernel_number(const char *text, const char *label)
{
	size_t len = strlen(label);

	while (text && *text) {
		if (strncmp(text, label, len) == 0)
			return strtoll(text + len, NULL, 10);
		text = strchr(text, '\n');
		text += text ? 1 : 0;
	}
	return -1;
}
