/* The kernel's ring of messages, read without waiting from /dev/kmsg, else by syslog(2), which older
 * kernels and containers allow where the device is missing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define RECORD_MAX 8192 /* the kernel's own limit of a record */
#define RECORDS_MAX 200000
#define SYSLOG_ACTION_READ_ALL 3
#define SYSLOG_ACTION_SIZE_BUFFER 10

static const char *const levels[] = {"emerg",	"alert",  "crit", "err",
				     "warning", "notice", "info", "debug"};

/* When the kernel started counting: stamps of the ring are microseconds since then. */
static int64_t boot_wall_ms(const struct collect_context *context)
{
	char text[64];

	kernel_read(context, "/proc/uptime", text, sizeof text);
	return tl_clock_wall_ms(context->clock) - (int64_t)(strtod(text, NULL) * 1000);
}

/* "6,339,5140900,-;text", \x20-escaped: "time level text". Lines of properties are left out. */
static int write_record(struct collect_context *context, char *record, int64_t boot_ms,
			struct tl_err *err)
{
	char line[RECORD_MAX + 128], time[TL_TIME_TEXT];
	char *text = strchr(record, ';');
	unsigned priority;
	long long stamp_us;
	int len;

	if (!text || sscanf(record, "%u,%*u,%lld", &priority, &stamp_us) != 2)
		return 0;
	text++;
	text[strcspn(text, "\n")] = '\0';
	tl_time_rfc3339(boot_ms + stamp_us / 1000, time);
	len = snprintf(line, sizeof line, "%s [%5lld.%06lld] %s: %s\n", time, stamp_us / 1000000,
		       stamp_us % 1000000, levels[priority & 7], text);
	if (len >= (int)sizeof line)
		len = sizeof line - 1;
	return collect_member_write(context, line, (size_t)len, err);
}

static int read_device(struct collect_context *context, int fd, struct tl_err *err)
{
	int64_t boot_ms = boot_wall_ms(context);
	char record[RECORD_MAX + 1];
	int r = 0;

	for (int i = 0; r == 0 && i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, RECORD_MAX);

		if (n < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile: the next is the oldest there is */
		if (n <= 0)
			break;
		record[n] = '\0';
		r = write_record(context, record, boot_ms, err);
		if (r == 0)
			r = interrupt_check(err);
		if (r == 0 && (collect_member_given(context) >= context->row->max_bytes ||
			       collect_expired(context, "/dev/kmsg")))
			break;
	}
	return r;
}

static int read_ring(struct collect_context *context, struct tl_err *err)
{
	int size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0);
	tl_free char *ring = size > 0 ? malloc((size_t)size) : NULL;
	int len = ring ? klogctl(SYSLOG_ACTION_READ_ALL, ring, size) : -1;

	if (len < 0) {
		collect_note(context, "/dev/kmsg", "denied", strerrordesc_np(errno));
		return 0;
	}
	return collect_member_write(context, ring, (size_t)len, err);
}

int collect_kernel_log(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "logs/kernel.log", .mode = 0644};
	char path[PATH_MAX];
	tl_fd int fd = -1;
	int r;

	snprintf(path, sizeof path, "%s/dev/kmsg", context->root);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && context->root[0]) {
		context->outcome = "absent";
		return 0;
	}
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = fd < 0 ? read_ring(context, err) : read_device(context, fd, err);
	return r < 0 ? r : collect_member_end(context, "ok", err);
}
