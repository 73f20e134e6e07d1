/* How a host is: typed facts with units, judged by thresholds.
 *
 * A snapshot is {"schema":1, "taken":<RFC 3339>, "verdict":<the worst of the facts>, "facts":[…]}; a fact is
 * {"name", "unit" (UCUM: "1", "%", "By", "By/s", "s", "Cel", "/s"), "value" (number, text or bool), "subject"?
 * (mount point, interface, unit, certificate, …), "verdict"? ("ok", "warning", "critical", "unknown": where
 * there is a threshold, or where the value could not be had: null then), "text"? (a sentence)}. Facts are sorted by
 * their place in tl_health_kinds, then by subject. Names and units are never changed, only added:
 * snapshots are compared.
 *
 * Nothing on the host changes, no packet is sent but for the names that are to be resolved, and what may hang
 * (network file systems, name service, systemd) runs in child processes with a deadline. So the caller has
 * one thread only and leaves SIGCHLD alone. */
#ifndef TOWLINE_HEALTH_HEALTH_H
#define TOWLINE_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/clock.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_HEALTH_SCHEMA 1
#define TL_HEALTH_FACTS_MAX 400
#define TL_HEALTH_NAME_MAX 64
#define TL_HEALTH_TEXT_MAX 256 /* bytes of a subject, a text, a value that is text */
#define TL_HEALTH_CONFIG "/etc/towline/health.yaml"

/* What the agent adds that a host alone cannot know. */
struct tl_health_agent {
	bool has_offset;
	int64_t clock_offset_ms; /* the relay's clock minus ours */
	const char *relay_host;	 /* a name to resolve; NULL: none */
	const char *ca_file;	 /* NULL: none */
	int64_t queue_items;	 /* -1: unknown */
};

struct tl_health_options {
	const char *root; /* NULL or "": the host; a directory that stands for / in tests */
	const struct tl_clock *clock; /* NULL: the system's */
	const char *config;	      /* thresholds; NULL: TL_HEALTH_CONFIG, if it is there */
	const char *only;	      /* a glob of fact names; NULL: all */
	const char *bus;	      /* D-Bus address of systemd; NULL: the system's */
	int64_t deadline_ms;	      /* of what may hang; 0: 2000 */
	/* Thresholds that are not valid do not fail the snapshot: the built-in ones count, and a fact says so. */
	bool is_lenient;
	const struct tl_health_agent *agent; /* NULL: none */
	/* An earlier snapshot of this host, for rates; NULL: none. Costly facts that are younger there than an
	 * hour are taken over. Borrowed. */
	const json_t *previous;
};

/* Takes a snapshot. A fact that cannot be had is left out or unknown; fails on thresholds that are not valid
 * (TL_ECONFIG, "file:line: …") and TL_ENOMEM. The caller owns *ret_snapshot. */
TL_MUST_CHECK int tl_health_take(const struct tl_health_options *options, json_t **ret_snapshot,
				 struct tl_err *err);
/* Only reads the thresholds. */
TL_MUST_CHECK int tl_health_lint(const struct tl_health_options *options, struct tl_err *err);

enum tl_health_type {
	TL_HEALTH_NUMBER,
	TL_HEALTH_COUNTER, /* a number that only grows, since boot */
	TL_HEALTH_TRUTH,
	TL_HEALTH_WORD
};

/* Every fact that a snapshot may hold. */
struct tl_health_kind {
	const char *name;
	const char *group; /* of facts that are taken together */
	enum tl_health_type type;
	const char *unit;
	const char *label; /* for people: "Disk space used" */
};
extern const struct tl_health_kind tl_health_kinds[];
extern const size_t tl_health_kind_count;
/* NULL when there is none. */
const struct tl_health_kind *tl_health_kind(const char *name);

enum tl_health_verdict {
	TL_HEALTH_NONE, /* not judged */
	TL_HEALTH_OK,
	TL_HEALTH_UNKNOWN,
	TL_HEALTH_WARNING,
	TL_HEALTH_CRITICAL /* the worst */
};
const char *tl_health_verdict_name(enum tl_health_verdict verdict); /* NULL for NONE */
/* Of a fact or a snapshot. */
enum tl_health_verdict tl_health_verdict_of(const json_t *object);

/* What the relay is to be told (docs/protocol.md): {"full", "facts":[…], "gone":[{"name","subject"?}…]}, from
 * the facts that it knows (NULL: none, and all are told) and those of a new snapshot. A number has changed
 * when it moved by 2 % (and by 1, where it is a percentage), or when its verdict did. *ret_known are the facts
 * as the relay then knows them. The caller owns both. */
TL_MUST_CHECK int tl_health_delta(const json_t *known, const json_t *facts, json_t **ret_delta,
				  json_t **ret_known, struct tl_err *err);

#endif
