/* How the running kernel was configured: /proc/config.gz unpacked, where the kernel carries it. */
#include <archive.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "collect/builtin/builtin.h"
#include "collect/interrupt.h"

#define PIECE 16384
#define SOURCE "/proc/config.gz"

static inline void archive_auto_(struct archive **archive)
{
	archive_read_free(*archive);
}

static int copy(struct collect_context *context, struct archive *archive, struct tl_err *err)
{
	struct archive_entry *entry;
	char piece[PIECE];
	la_ssize_t n = 1;
	int r = interrupt_check(err);

	if (archive_read_next_header(archive, &entry) != ARCHIVE_OK) {
		collect_note(context, SOURCE, "failed", "it cannot be unpacked");
		return r;
	}
	while (r == 0 && n > 0 && collect_member_given(context) < context->row->max_bytes) {
		n = archive_read_data(archive, piece, sizeof piece);
		if (n > 0)
			r = collect_member_write(context, piece, (size_t)n, err);
	}
	return r;
}

int collect_kernel_config(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "root/proc/config", .mode = 0444};
	tl_cleanup(archive_auto_) struct archive *archive = archive_read_new();
	char path[PATH_MAX];
	tl_fd int fd = -1;
	int r;

	snprintf(path, sizeof path, "%s%s", context->root, SOURCE);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || !archive) {
		context->outcome = "absent";
		return 0;
	}
	archive_read_support_filter_gzip(archive);
	archive_read_support_format_raw(archive);
	if (archive_read_open_fd(archive, fd, PIECE) != ARCHIVE_OK) {
		collect_note(context, SOURCE, "failed", "it cannot be unpacked");
		return 0;
	}
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = copy(context, archive, err);
	return r < 0 ? r : collect_member_end(context, "ok", err);
}
