/* Requests that may need a code of the second factor. Main thread. */
#ifndef TOWLINE_SERVER_CLI_TOTP_H
#define TOWLINE_SERVER_CLI_TOTP_H

#include "cli/api.h"

/* As tl_api_post; where the relay wants a code, asks the person for it and adds it to `body`. */
TL_MUST_CHECK int tl_totp_post(struct tl_api *api, const char *path, json_t *body,
			       json_t **ret_json, struct tl_err *err);

#endif
