/* The relay's HTTPS API as the engineer's command uses it: blocking, over libcurl. One thread. */
#ifndef TOWLINE_SERVER_CLI_API_H
#define TOWLINE_SERVER_CLI_API_H

#include "cli/profile.h"

#include <towline/json.h>

#define TL_API_REPLY_MAX (16u * 1024 * 1024)

struct tl_api;

/* Loads the profile and the token. */
TL_MUST_CHECK int tl_api_open(const struct tl_cli *cli, struct tl_api **ret_api,
			      struct tl_err *err);
void tl_api_close(struct tl_api *api);
TL_DEFINE_AUTO_PTR(tl_api, tl_api_close);
const struct tl_profile *tl_api_profile(const struct tl_api *api);

/* `path` begins with "/v1/". A problem reply (RFC 9457) becomes its detail and the nearest TL_E*
 * code. The caller owns *ret_json (NULL for an empty reply). */
TL_MUST_CHECK int tl_api_get(struct tl_api *api, const char *path, json_t **ret_json,
			     struct tl_err *err);
TL_MUST_CHECK int tl_api_post(struct tl_api *api, const char *path, const json_t *body,
			      json_t **ret_json, struct tl_err *err);
/* The type of the last problem reply ("second-factor-required"), or "". */
const char *tl_api_problem(const struct tl_api *api);
/* Appends the body of the reply to `out`. */
TL_MUST_CHECK int tl_api_fetch(struct tl_api *api, const char *path, struct tl_buf *out,
			       struct tl_err *err);
/* Appends the body of the reply to `fd`. */
TL_MUST_CHECK int tl_api_download(struct tl_api *api, const char *path, int fd, struct tl_err *err);

/* An event stream (text/event-stream), until it ends or a callback returns other than 0, which is returned
 * then. An end without that is TL_EUNREACH. */
struct tl_api_stream {
	int (*event)(void *arg, const char *name, const char *data, struct tl_err *err);
	/* `fd` can be read, or is at its end. -1: none. It may be set to -1 meanwhile. */
	int (*readable)(void *arg, struct tl_err *err);
	int fd;
	void *arg;
};
TL_MUST_CHECK int tl_api_stream(struct tl_api *api, const char *path, struct tl_api_stream *stream,
				struct tl_err *err);

/* Collects every page of a list into one array. */
TL_MUST_CHECK int tl_api_list(struct tl_api *api, const char *path, json_t **ret_items,
			      struct tl_err *err);

#endif
