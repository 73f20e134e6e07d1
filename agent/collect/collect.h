/* Makes one bundle: chooses the rows of a profile, runs them in collecting processes, and writes what they
 * give. */
#ifndef TOWLINE_COLLECT_COLLECT_H
#define TOWLINE_COLLECT_COLLECT_H

#include <stdbool.h>
#include <towline/clock.h>
#include <towline/err.h>
#include <towline/json.h>

#include "collect/collector.h"
#include "redact/redact.h"

#define COLLECT_REQUEST_MAX (512 * 1024) /* certificates of recipients are in it */

/* What is asked for; read from one JSON object. Texts and lists are borrowed from it. */
struct collect_request {
	const char *help_id; /* whose bundle this is; may be NULL */
	const char *bundle;  /* its id; NULL: a new one */
	const char *summary; /* the user's words; may be NULL */
	const char *profile; /* "standard" (also NULL), "service:nginx", … */
	const char *agent_version, *host, *ticket; /* may be NULL */
	const char *consent; /* what the consent's receipt is known by; may be NULL */
	const char *started; /* RFC 3339; NULL: now */
	const char *since, *until, *around, *boot; /* collect/when.h; NULL: the profile's */
	enum tl_redact_level level;
	json_t *exclude, *include; /* lists of texts; NULL: none */
	json_t *named;	       /* those of them that must fit a collector or group; NULL: none */
	json_t *recipients;    /* list of PEM certificates; NULL: not encrypted */
	const char *state_dir; /* of the pseudonyms' key and map; for level "identities" */
	bool has_map;	       /* the map comes open, as options->map_fd */
	int64_t max_bytes;     /* of the bundle; 0: what a reader takes */
	bool dry_run;	       /* tell what would be taken, and take nothing */
};
TL_MUST_CHECK int collect_request_read(const json_t *json, struct collect_request *ret_request,
				       struct tl_err *err);
/* "secrets", "identities", "off". Static storage. */
const char *collect_level_name(enum tl_redact_level level);

struct collect_options {
	const struct tl_clock *clock;
	const char *root; /* "" on a host */
	const struct collector *rows;
	size_t row_count;
	int bundle_fd;
	int progress_fd; /* JSON lines; -1: none. A reader that went away is no fault. */
	/* Directories of the site's own files; NULL: none. */
	const char *profiles_dir, *collectors_dir, *rules_dir, *analyzers_dir;
	const char *names_file; /* the site's names (redact/identity.h); NULL: none */
	const char *cache_dir;	/* for what is compiled; NULL: none */
	int map_fd;		/* of pseudonyms; taken over where the request says so */
};

/* Writes the bundle to options->bundle_fd. *ret_result (the caller's) is docs/protocol.md's result of
 * collect.run. After a failure nothing that was written is a bundle. */
TL_MUST_CHECK int collect_run(const struct collect_request *request,
			      const struct collect_options *options, json_t **ret_result,
			      struct tl_err *err);

#endif
