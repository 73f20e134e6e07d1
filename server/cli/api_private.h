/* What the files of the API share. */
#ifndef TOWLINE_SERVER_CLI_API_PRIVATE_H
#define TOWLINE_SERVER_CLI_API_PRIVATE_H

#include <curl/curl.h>

#include "cli/api.h"

struct tl_api {
	CURL *curl;
	struct curl_slist *headers;
	struct tl_profile profile;
	char failure[CURL_ERROR_SIZE];
	char problem[64]; /* type of the last one, without its prefix */
};

/* The problem (RFC 9457) in `text` as an error. */
int tl_api_fail_with_problem(struct tl_api *api, const struct tl_buf *text, long status,
			     struct tl_err *err);

#endif
