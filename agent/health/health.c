#include "health/health.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "health/run.h"

#define BYTES_MAX (128 * 1024)
#define COSTLY_MS (60 * 60 * 1000) /* how old a costly fact may be */

/* The groups of tl_health_kinds. A costly one is not taken anew with every heartbeat. */
static const struct probe {
	const char *group;
	health_probe *run;
	bool is_costly;
} probes[] = {
	/* Those with children first: they work while the rest is taken. */
	{"storage", health_probe_storage, false},
	{"services", health_probe_services, false},
	{"names", health_probe_names, false},
	{"load", health_probe_load, false},
	{"pressure", health_probe_pressure, false},
	{"memory", health_probe_memory, false},
	{"time", health_probe_time, false},
	{"certificates", health_probe_certificates, true},
	{"network", health_probe_network, false},
	{"kernel", health_probe_kernel, false},
	{"processes", health_probe_processes, false},
	{"sensors", health_probe_sensors, false},
	{"packages", health_probe_packages, true},
	{"drift", health_probe_drift, true},
	{"agent", health_probe_agent, false},
};

static bool is_wanted(const struct health_run *run, const char *group)
{
	for (size_t i = 0; i < tl_health_kind_count; i++)
		if (tl_streq(tl_health_kinds[i].group, group) &&
		    health_wanted(run, tl_health_kinds[i].name))
			return true;
	return false;
}

/* When something was written in the earlier snapshot; -1: never, or in the future. */
static int64_t age_ms(const struct health_run *run, const json_t *snapshot, const char *member)
{
	const char *text = json_string_value(json_object_get(snapshot, member));
	int64_t at_ms;

	if (!text || tl_time_rfc3339_parse(text, &at_ms) != 0 ||
	    at_ms > tl_clock_wall_ms(run->clock))
		return -1;
	return tl_clock_wall_ms(run->clock) - at_ms;
}

static bool costly_is_fresh(const struct health_run *run)
{
	int64_t age = age_ms(run, run->options->previous, "costly_taken");

	return age >= 0 && age < COSTLY_MS;
}

static void take_over(struct health_run *run, const char *group)
{
	json_t *fact;
	size_t i;

	json_array_foreach(json_object_get(run->options->previous, "facts"), i, fact)
	{
		const char *name = json_string_value(json_object_get(fact, "name"));
		const struct tl_health_kind *kind = name ? tl_health_kind(name) : NULL;

		if (kind && tl_streq(kind->group, group) && health_wanted(run, name))
			json_array_append(run->facts, fact);
	}
}

static void run_probes(struct health_run *run)
{
	bool is_fresh = costly_is_fresh(run);

	for (size_t i = 0; i < TL_ARRAY_LEN(probes); i++) {
		if (!is_wanted(run, probes[i].group))
			continue;
		if (probes[i].is_costly && is_fresh)
			take_over(run, probes[i].group);
		else
			probes[i].run(run);
	}
	health_tasks_finish(run);
}

/* ---- the snapshot ------------------------------------------------------------------------------- */

struct place {
	json_t *fact;
	const struct tl_health_kind *kind;
	const char *subject;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->subject, y->subject);
}

/* About what it takes as JSON. */
static size_t weight_of(const json_t *fact)
{
	return 160 + json_string_length(json_object_get(fact, "subject")) +
	       json_string_length(json_object_get(fact, "text")) +
	       json_string_length(json_object_get(fact, "value"));
}

static bool has_room(size_t count, size_t bytes, bool is_bad)
{
	if (is_bad)
		return count < TL_HEALTH_FACTS_MAX && bytes < BYTES_MAX;
	return count < TL_HEALTH_FACTS_MAX * 3 / 4 && bytes < BYTES_MAX * 3 / 4;
}

/* In a fixed order, and no more than a reader takes: what is judged bad stays longer. */
static json_t *sorted(const json_t *facts)
{
	size_t count = json_array_size(facts), kept = 0, bytes = 0;
	tl_free struct place *places = calloc(count + 1, sizeof *places);
	json_t *out = json_array();
	json_t *fact;
	size_t i;

	if (!places)
		return out;
	json_array_foreach(facts, i, fact)
	{
		const char *subject = json_string_value(json_object_get(fact, "subject"));
		const char *name = json_string_value(json_object_get(fact, "name"));

		places[i] = (struct place){fact, name ? tl_health_kind(name) : NULL,
					   subject ? subject : ""};
	}
	qsort(places, count, sizeof *places, compare);
	for (i = 0; i < count; i++) {
		bool is_bad = tl_health_verdict_of(places[i].fact) > TL_HEALTH_OK;
		bool is_double =
			i > 0 && places[i].kind && compare(&places[i], &places[i - 1]) == 0;

		if (is_double || !has_room(kept, bytes, is_bad))
			continue;
		json_array_append(out, places[i].fact);
		bytes += weight_of(places[i].fact);
		kept++;
	}
	return out;
}

/* The counter of OOM kills one to two hours ago, carried on from snapshot to snapshot. */
static json_t *marks(const struct health_run *run, const json_t *facts)
{
	const json_t *before = json_object_get(run->options->previous, "marks");
	int64_t age = before ? age_ms(run, before, "taken") : -1;
	const json_t *fact;
	char now[TL_TIME_TEXT];
	json_t *kills = json_null();
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		if (tl_streq(json_string_value(json_object_get(fact, "name")), "oom_kills"))
			kills = json_object_get(fact, "value");
	}
	if (age >= 0 && age < COSTLY_MS)
		return json_incref((json_t *)(uintptr_t)before);
	tl_time_rfc3339(tl_clock_wall_ms(run->clock), now);
	return json_pack("{s:s, s:O, s:O}", "taken", now, "next", kills, "oom_kills",
			 age >= 0 && json_object_get(before, "next")
				 ? json_object_get(before, "next")
				 : kills);
}

static enum tl_health_verdict worst(const json_t *facts)
{
	enum tl_health_verdict verdict = TL_HEALTH_OK;
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		if (tl_health_verdict_of(fact) > verdict)
			verdict = tl_health_verdict_of(fact);
	}
	return verdict;
}

static json_t *make_snapshot(const struct health_run *run)
{
	const json_t *costly = json_object_get(run->options->previous, "costly_taken");
	tl_json *facts = sorted(run->facts);
	char now[TL_TIME_TEXT];
	json_t *snapshot;

	tl_time_rfc3339(tl_clock_wall_ms(run->clock), now);
	snapshot = json_pack("{s:i, s:s, s:s, s:O, s:o}", "schema", TL_HEALTH_SCHEMA, "taken", now,
			     "verdict", tl_health_verdict_name(worst(facts)), "facts", facts,
			     "marks", marks(run, facts));
	if (snapshot)
		json_object_set_new(snapshot, "costly_taken",
				    json_string(costly_is_fresh(run) ? json_string_value(costly)
								     : now));
	return snapshot;
}

static int open_thresholds(const struct tl_health_options *options,
			   struct thresholds **ret_thresholds, struct tl_err *err)
{
	const char *root = options->root ? options->root : "";
	char path[4096];

	if (options->config)
		return thresholds_open(options->config, ret_thresholds, err);
	snprintf(path, sizeof path, "%s" TL_HEALTH_CONFIG, root);
	return thresholds_open(access(path, F_OK) == 0 ? path : NULL, ret_thresholds, err);
}

/* The owner's thresholds; where they are wrong and the caller is lenient, the built-in ones and *ret_fault. */
static int open_or_forgive(const struct tl_health_options *options,
			   struct thresholds **ret_thresholds, struct tl_err *ret_fault,
			   struct tl_err *err)
{
	int r = open_thresholds(options, ret_thresholds, ret_fault);

	if (r == 0)
		return 0;
	if (options->is_lenient && r == TL_ECONFIG)
		return thresholds_open(NULL, ret_thresholds, err);
	return tl_err_set(err, r, "%s", tl_err_text(ret_fault));
}

int tl_health_lint(const struct tl_health_options *options, struct tl_err *err)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;

	return open_thresholds(options, &thresholds, err);
}

int tl_health_take(const struct tl_health_options *options, json_t **ret_snapshot,
		   struct tl_err *err)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	tl_json *facts = json_array();
	struct health_run run = {
		.options = options,
		.root = options->root ? options->root : "",
		.clock = options->clock ? options->clock : tl_clock_system(),
		.facts = facts,
	};
	struct tl_err fault = TL_ERR_INIT;
	json_t *snapshot;
	int64_t age;
	int r = open_or_forgive(options, &thresholds, &fault, err);

	if (r < 0)
		return r;
	run.thresholds = thresholds;
	if (fault.code)
		health_truth(&run, "thresholds_valid", NULL, false, fault.text);
	age = age_ms(&run, options->previous, "taken");
	run.elapsed_s = age > 0 ? (double)age / 1000 : 0;
	run_probes(&run);
	snapshot = make_snapshot(&run);
	if (!snapshot)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the health facts");
	*ret_snapshot = snapshot;
	return 0;
}
