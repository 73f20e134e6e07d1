/* Makes one bundle: runs the collectors of a profile, in the table's order, into a writer. */
#ifndef TOWLINE_COLLECT_COLLECT_H
#define TOWLINE_COLLECT_COLLECT_H

#include <stdbool.h>
#include <towline/clock.h>
#include <towline/err.h>
#include <towline/json.h>

#include "collect/collector.h"

#define COLLECT_REQUEST_MAX (64 * 1024)

/* What is asked for; read from one JSON object. Texts are borrowed from it. */
struct collect_request {
	const char *help_id;			   /* whose bundle this is; may be NULL */
	const char *bundle;			   /* its id; NULL: a new one */
	const char *summary;			   /* the user's words; may be NULL */
	const char *profile;			   /* "standard" (also NULL) or "quick" */
	const char *agent_version, *host, *ticket; /* may be NULL */
};
TL_MUST_CHECK int collect_request_read(const json_t *json, struct collect_request *ret_request,
				       struct tl_err *err);

struct collect_options {
	const struct tl_clock *clock;
	const char *root; /* "" on a host */
	const struct collector *rows;
	size_t row_count;
	int bundle_fd;
	int progress_fd; /* JSON lines; -1: none. A reader that went away is no fault. */
};

/* Writes the bundle to options->bundle_fd. *ret_result (the caller's) is docs/protocol.md's result of
 * collect.run. On failure nothing that was written is a bundle. */
TL_MUST_CHECK int collect_run(const struct collect_request *request,
			      const struct collect_options *options, json_t **ret_result,
			      struct tl_err *err);

#endif
