/* How long it takes until a small write is durable: the one collector that writes. A nameless file of 4
 * KiB in /var/tmp, a few times; nothing is left. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"

#define ROUNDS 8
#define BLOCK 4096
#define ENOUGH_MS 1500 /* a slow disk is not made slower */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Returns how many rounds were timed. */
static int time_rounds(int fd, double *took_ms)
{
	char block[BLOCK];
	double begun = now_ms();
	int count = 0;

	memset(block, 't', sizeof block);
	while (count < ROUNDS && now_ms() - begun < ENOUGH_MS) {
		double before = now_ms();

		if (pwrite(fd, block, sizeof block, 0) != sizeof block || fdatasync(fd) < 0)
			break;
		took_ms[count++] = now_ms() - before;
	}
	return count;
}

int collect_fsync(struct collect_context *context, struct tl_err *err)
{
	const char *dir = context->row->sources[0];
	char path[PATH_MAX];
	double took_ms[ROUNDS], least = 0, most = 0, sum = 0;
	tl_fd int fd = -1;
	int count;

	snprintf(path, sizeof path, "%s%s", context->root, dir);
	fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	count = fd < 0 ? 0 : time_rounds(fd, took_ms);
	if (count == 0) {
		collect_note(context, dir, "failed", strerrordesc_np(errno));
		return interrupt_check(err);
	}
	for (int i = 0; i < count; i++) {
		least = i == 0 || took_ms[i] < least ? took_ms[i] : least;
		most = took_ms[i] > most ? took_ms[i] : most;
		sum += took_ms[i];
	}
	tl_json *facts = json_pack("{s:i, s:s, s:i, s:i, s:f, s:f, s:f}", "schema", 1, "directory",
				   dir, "rounds", count, "bytes", BLOCK, "least_ms", least,
				   "mean_ms", sum / count, "most_ms", most);

	return collect_member_json(context, "snapshot/fsync.json", facts, err);
}
