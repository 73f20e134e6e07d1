/* What the host does: two samples of the kernel's counters, a second apart, and the differences. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/activity.h"
#include "collect/builtin/builtin.h"
#include "collect/builtin/process_walk.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"

#define PROCESSES_MAX 20000
#define TOP 40

struct sampled_process {
	struct process_stat stat;
	uint64_t before_ticks;
	bool known; /* in the first sample */
};

struct processes {
	struct sampled_process *list;
	size_t count;
	bool second;
};

static uint64_t ticks_of(const struct process_stat *stat)
{
	return stat->user_ticks + stat->system_ticks;
}

static int compare_pids(const void *a, const void *b)
{
	const struct sampled_process *one = a, *other = b;

	return (one->stat.pid > other->stat.pid) - (one->stat.pid < other->stat.pid);
}

static int sample_process(struct collect_context *context TL_UNUSED,
			  const struct process_stat *stat, void *arg, struct tl_err *err TL_UNUSED)
{
	struct processes *processes = arg;
	struct sampled_process key = {.stat = *stat}, *found;

	if (!processes->second) {
		if (processes->count < PROCESSES_MAX) {
			key.before_ticks = ticks_of(stat);
			processes->list[processes->count++] = key;
		}
		return 0;
	}
	found = bsearch(&key, processes->list, processes->count, sizeof key, compare_pids);
	if (found && found->stat.start_ticks == stat->start_ticks) {
		found->stat = *stat;
		found->known = true;
	}
	return 0;
}

static int compare_work(const void *a, const void *b)
{
	const struct sampled_process *one = a, *other = b;
	uint64_t mine = one->known ? ticks_of(&one->stat) - one->before_ticks : 0;
	uint64_t its = other->known ? ticks_of(&other->stat) - other->before_ticks : 0;

	return mine != its ? (mine < its ? 1 : -1) : compare_pids(a, b);
}

static int compare_memory(const void *a, const void *b)
{
	const struct sampled_process *one = a, *other = b;
	uint64_t mine = one->stat.rss_pages, its = other->stat.rss_pages;

	return mine != its ? (mine < its ? 1 : -1) : compare_pids(a, b);
}

/* The first ones of the order; the list is sorted anew for each question. */
static json_t *top_of(struct processes *processes, int (*order)(const void *, const void *),
		      int64_t elapsed_ms)
{
	json_t *top = json_array();
	double hertz = (double)sysconf(_SC_CLK_TCK);
	int64_t page_bytes = sysconf(_SC_PAGESIZE);

	qsort(processes->list, processes->count, sizeof *processes->list, order);
	for (size_t i = 0; i < processes->count && i < TOP; i++) {
		const struct sampled_process *process = &processes->list[i];
		double ticks = process->known
				       ? (double)(ticks_of(&process->stat) - process->before_ticks)
				       : 0;

		json_array_append_new(
			top, json_pack("{s:i, s:o, s:f, s:I, s:I, s:i}", "pid", process->stat.pid,
				       "command", snapshot_text(process->stat.comm), "cpu_percent",
				       ticks / hertz * 1e5 / (double)elapsed_ms, "rss_bytes",
				       (json_int_t)process->stat.rss_pages * page_bytes,
				       "major_faults", (json_int_t)process->stat.major_faults,
				       "threads", process->stat.threads));
	}
	return top;
}

/* Waits without work; an interruption ends it. */
static int wait_ms(int64_t ms, struct tl_err *err)
{
	if (poll(NULL, 0, (int)ms) < 0 && errno != EINTR)
		return tl_err_sys(err, TL_EIO, errno, "waiting failed");
	return interrupt_check(err);
}

static int take_samples(struct collect_context *context, struct activity *first,
			struct activity *second, struct processes *processes, struct tl_err *err)
{
	int64_t interval_ms = strtoll(context->row->sources[0], NULL, 10);
	int r;

	activity_sample(context, first);
	r = process_walk(context, sample_process, processes, err);
	if (r == 0)
		r = wait_ms(interval_ms, err);
	if (r < 0)
		return r;
	activity_sample(context, second);
	processes->second = true;
	return process_walk(context, sample_process, processes, err);
}

int collect_activity(struct collect_context *context, struct tl_err *err)
{
	tl_auto(activity) struct activity first = {.taken_ms = 0}, second = {.taken_ms = 0};
	tl_free struct sampled_process *list = calloc(PROCESSES_MAX, sizeof *list);
	struct processes processes = {.list = list};
	int64_t elapsed_ms;
	tl_json *facts = NULL;
	int r;

	if (!list)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the list of processes");
	r = take_samples(context, &first, &second, &processes, err);
	if (r < 0)
		return r;
	elapsed_ms = second.taken_ms - first.taken_ms;
	elapsed_ms = elapsed_ms > 0 ? elapsed_ms : 1;
	facts = json_pack("{s:i, s:I, s:o, s:o, s:o, s:o}", "schema", 1, "elapsed_ms",
			  (json_int_t)elapsed_ms, "processors",
			  activity_processors(&first, &second), "disks",
			  activity_rates(&first, &second, ACTIVITY_DISK), "interfaces",
			  activity_rates(&first, &second, ACTIVITY_INTERFACE), "memory",
			  activity_rates(&first, &second, ACTIVITY_MEMORY));
	json_object_set_new(facts, "top_cpu", top_of(&processes, compare_work, elapsed_ms));
	json_object_set_new(facts, "top_memory", top_of(&processes, compare_memory, elapsed_ms));
	return collect_member_json(context, "snapshot/activity.json", facts, err);
}
