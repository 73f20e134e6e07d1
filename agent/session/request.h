/* What the agent asks of towline-session: one JSON object on its standard input. Later lines may
 * renew the access token ({"access_token":…}) or stop the session ({"stop":"why"}). The grant has been
 * verified by the helper; here it is only read. One thread. */
#ifndef TOWLINE_SESSION_REQUEST_H
#define TOWLINE_SESSION_REQUEST_H

#include <towline/grant.h>
#include <towline/json.h>

#define TL_SESSION_REQUEST_MAX (128 * 1024)

struct tl_session_request {
	json_t *json; /* owns the texts below */
	const char *session, *relay_url, *ca_file, *proxy, *access_token;
	const char *ssh_host_key_file, *helper_socket, *state_dir, *agent_key_file;
	enum tl_lane lane;
	unsigned scopes; /* of the consent; never more than the grant's */
	int64_t max_s;
	char host[TL_ID_LEN + 1], engineer[65], ticket[33];
	struct tl_strv keys; /* base64 blobs */
};

/* TL_EINVAL names the member that is wrong. *ret_request is the caller's to clear. */
TL_MUST_CHECK int tl_session_request_parse(const char *text, size_t len,
					   struct tl_session_request *ret_request,
					   struct tl_err *err);
void tl_session_request_clear(struct tl_session_request *request);
TL_DEFINE_AUTO(tl_session_request, tl_session_request_clear);

#endif
