#include "collect/builtin/activity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/snapshot.h"

#define SAMPLE_MAX (1024 * 1024)
#define WORDS 32
#define OBJECTS_MAX 512

/* Which word of a line is which counter; words are counted from 0, the name among them. */
struct counter {
	int word;
	const char *member;
	double scale;
};

static const struct counter disk_counters[] = {
	{3, "reads", 1},	   {5, "read_bytes", 512}, {7, "writes", 1},
	{9, "written_bytes", 512}, {6, "read_wait_ms", 1}, {10, "write_wait_ms", 1},
	{12, "busy_percent", 0.1}, {17, "flushes", 1},
};
static const struct counter interface_counters[] = {
	{1, "rx_bytes", 1}, {2, "rx_packets", 1},  {3, "rx_errors", 1},	 {4, "rx_dropped", 1},
	{9, "tx_bytes", 1}, {10, "tx_packets", 1}, {11, "tx_errors", 1}, {12, "tx_dropped", 1},
};
static const char *const memory_counters[] = {"pgfault",
					      "pgmajfault",
					      "pgpgin",
					      "pgpgout",
					      "pswpin",
					      "pswpout",
					      "pgscan_direct",
					      "pgscan_kswapd",
					      "pgsteal_direct",
					      "allocstall_normal",
					      "compact_stall",
					      "oom_kill",
					      "workingset_refault_file"};

static const struct {
	const char *path;
	int name_word, from_line;
	const struct counter *counters;
	size_t counter_count;
} kinds[ACTIVITY_KINDS] = {
	[ACTIVITY_DISK] = {"/proc/diskstats", 2, 0, disk_counters, TL_ARRAY_LEN(disk_counters)},
	[ACTIVITY_INTERFACE] = {"/proc/net/dev", 0, 2, interface_counters,
				TL_ARRAY_LEN(interface_counters)},
	[ACTIVITY_MEMORY] = {"/proc/vmstat", 0, 0, NULL, 0},
};

void activity_sample(const struct collect_context *context, struct activity *ret_sample)
{
	ret_sample->taken_ms = tl_clock_mono_ms(context->clock);
	tl_buf_init(&ret_sample->processors, SAMPLE_MAX);
	snapshot_load(context, "/proc/stat", &ret_sample->processors);
	for (size_t i = 0; i < ACTIVITY_KINDS; i++) {
		tl_buf_init(&ret_sample->counters[i], SAMPLE_MAX);
		snapshot_load(context, kinds[i].path, &ret_sample->counters[i]);
	}
}

void activity_clear(struct activity *activity)
{
	tl_buf_clear(&activity->processors);
	for (size_t i = 0; i < ACTIVITY_KINDS; i++)
		tl_buf_clear(&activity->counters[i]);
}

/* "cpu  user nice system idle iowait irq softirq steal …" is the first line. */
json_t *activity_processors(const struct activity *first, const struct activity *second)
{
	static const char *const members[] = {"user_percent",	 "nice_percent", "system_percent",
					      "idle_percent",	 "wait_percent", "irq_percent",
					      "softirq_percent", "steal_percent"};
	const char *one = tl_buf_str(&first->processors), *other = tl_buf_str(&second->processors);
	double gone[TL_ARRAY_LEN(members)], sum = 0;
	json_t *shares = json_object();
	char *a, *b;

	if (!tl_str_starts(one, "cpu ") || !tl_str_starts(other, "cpu "))
		return shares;
	a = (char *)(uintptr_t)one + 4;
	b = (char *)(uintptr_t)other + 4;
	for (size_t i = 0; i < TL_ARRAY_LEN(members); i++) {
		double before = (double)strtoull(a, &a, 10);

		gone[i] = (double)strtoull(b, &b, 10) - before;
		gone[i] = gone[i] > 0 ? gone[i] : 0; /* the kernel lets waiting run backwards */
		sum += gone[i];
	}
	for (size_t i = 0; sum > 0 && i < TL_ARRAY_LEN(members); i++)
		json_object_set_new(shares, members[i], json_real(100 * gone[i] / sum));
	return shares;
}

static json_t *rates_of(const struct counter *counters, size_t count, char *const *before,
			char *const *after, double seconds)
{
	json_t *rates = json_object();

	for (size_t i = 0; i < count; i++) {
		int word = counters[i].word;
		double change;

		if (!before[word] || !after[word])
			continue;
		change = (double)strtoull(after[word], NULL, 10) -
			 (double)strtoull(before[word], NULL, 10);
		json_object_set_new(rates, counters[i].member,
				    json_real(change > 0 ? change * counters[i].scale / seconds
							 : 0));
	}
	return rates;
}

/* Splits the line of `text` that is next, after the kind's heading lines; false at its end. */
static bool next_words(enum activity_kind kind, char **text, char **words)
{
	char *line = snapshot_line(text);

	memset(words, 0, WORDS * sizeof *words);
	if (!line)
		return false;
	for (char *at = line; kind == ACTIVITY_INTERFACE && *at; at++)
		if (*at == ':')
			*at = ' '; /* "eth0:123" of old kernels */
	snapshot_words(line, words, WORDS);
	return true;
}

/* Both samples list the same objects in the same order, unless one came or went: then the rest is left
 * out. */
static json_t *rates_by_object(enum activity_kind kind, char *first, char *second, double seconds)
{
	json_t *rates = json_object();
	char *before[WORDS], *after[WORDS];

	for (int i = 0; i < kinds[kind].from_line; i++) {
		snapshot_line(&first);
		snapshot_line(&second);
	}
	for (int i = 0; i < OBJECTS_MAX; i++) {
		int word = kinds[kind].name_word;

		if (!next_words(kind, &first, before) || !next_words(kind, &second, after) ||
		    !before[word] || !tl_streq(before[word], after[word]))
			break;
		if (kind == ACTIVITY_DISK && before[7] && tl_streq(before[3], "0") &&
		    tl_streq(before[7], "0"))
			continue; /* never used: the kernel's spare loop devices */
		json_object_set_new(rates, before[word],
				    rates_of(kinds[kind].counters, kinds[kind].counter_count,
					     before, after, seconds));
	}
	return rates;
}

static uint64_t counter_in(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(text, name); at; at = strstr(at + 1, name))
		if ((at == text || at[-1] == '\n') && at[len] == ' ')
			return strtoull(at + len, NULL, 10);
	return 0;
}

static json_t *memory_rates(const char *first, const char *second, double seconds)
{
	json_t *rates = json_object();

	for (size_t i = 0; i < TL_ARRAY_LEN(memory_counters); i++) {
		const char *name = memory_counters[i];
		double change = (double)counter_in(second, name) - (double)counter_in(first, name);

		json_object_set_new(rates, name, json_real(change > 0 ? change / seconds : 0));
	}
	return rates;
}

json_t *activity_rates(const struct activity *first, const struct activity *second,
		       enum activity_kind kind)
{
	double seconds = (double)(second->taken_ms - first->taken_ms) / 1000;
	tl_free char *one = strdup(tl_buf_str(&first->counters[kind]));
	tl_free char *other = strdup(tl_buf_str(&second->counters[kind]));

	if (seconds <= 0)
		seconds = 0.001;
	if (!one || !other)
		return json_object();
	return kind == ACTIVITY_MEMORY ? memory_rates(one, other, seconds)
				       : rates_by_object(kind, one, other, seconds);
}
