/* A snapshot being taken: what its probes have in hand, how they read the host and tell what they found.
 * Private to agent/health. */
#ifndef TOWLINE_HEALTH_RUN_H
#define TOWLINE_HEALTH_RUN_H

#include <dirent.h>
#include <towline/str.h>

#include "health/health.h"
#include "health/thresholds.h"

struct health_task;

struct health_run {
	const struct tl_health_options *options;
	const char *root; /* never NULL */
	const struct tl_clock *clock;
	struct thresholds *thresholds;
	json_t *facts;
	double elapsed_s; /* since options->previous; 0: no rates */
	struct health_task *tasks;
};

/* ---- telling. `subject` and `text` may be NULL; nothing is told of what is off or not asked for. --- */

bool health_wanted(const struct health_run *run, const char *name);
/* Texts of facts that are no "ok" are made from label and threshold where none is given. */
void health_number(struct health_run *run, const char *name, const char *subject, double value,
		   const char *text);
void health_truth(struct health_run *run, const char *name, const char *subject, bool value,
		  const char *text);
void health_word(struct health_run *run, const char *name, const char *value);
/* As a number, without a verdict: where thresholds do not count just now. */
void health_unjudged(struct health_run *run, const char *name, const char *subject, double value,
		     const char *text);
/* The value could not be had: verdict "unknown". */
void health_unknown(struct health_run *run, const char *name, const char *subject,
		    const char *text);
/* Part of whole, in percent with two digits; 0 of nothing. */
double health_percent(double part, double whole);
/* Tells a counter, and its growth a second since the earlier snapshot as `rate`. */
void health_counter(struct health_run *run, const char *name, const char *rate, const char *subject,
		    double value);
/* A fact of the earlier snapshot; NULL when there is none. */
const json_t *health_earlier(const struct health_run *run, const char *name, const char *subject);

/* ---- reading below the root: bounded, regular or kernel files only ------------------------------- */

/* The beginning of a file as text, "" when it cannot be read. Returns its length. */
size_t health_read(const struct health_run *run, const char *path, char *text, size_t room);
/* One number in a file; false when there is none. */
bool health_read_number(const struct health_run *run, const char *path, double *ret_value);
/* The number behind `label` at a line's beginning; -1 when there is none. */
double health_labelled(const char *text, const char *label);
/* "ROOT/path"; false when that is too long. */
bool health_path(const struct health_run *run, const char *path, char full[static 4096]);
/* Adds to `list` what the glob matches, as paths below the root, at most `max`. */
void health_glob(const struct health_run *run, const char *pattern, size_t max,
		 struct tl_strv *list);
/* Opens a directory of names; NULL when there is none. */
DIR *health_dir(const struct health_run *run, const char *path);
/* Seconds since the file changed; false when it is not there. */
bool health_age(const struct health_run *run, const char *path, double *ret_age_s);

/* ---- what may hang -------------------------------------------------------------------------------- */

/* Runs `body` in a child process whose facts are added by health_tasks_finish; when it does not end within
 * the deadline, `late` says so instead. `arg` is copied. */
typedef void health_body(struct health_run *run, const char *arg);
void health_task_start(struct health_run *run, health_body *body, health_body *late,
		       const char *arg);
/* Waits for all of them, until the deadline. */
void health_tasks_finish(struct health_run *run);
/* False when the deadline of the whole snapshot, `ms` milliseconds of it, is over: for loops. */
int64_t health_now_ms(void);

/* ---- the probes, a group each ---------------------------------------------------------------------- */

typedef void health_probe(struct health_run *run);
health_probe health_probe_load, health_probe_pressure, health_probe_memory, health_probe_storage,
	health_probe_services, health_probe_time, health_probe_certificates, health_probe_names,
	health_probe_network, health_probe_kernel, health_probe_processes, health_probe_sensors,
	health_probe_packages, health_probe_drift, health_probe_agent;

#endif
