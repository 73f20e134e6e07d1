/* A desk under test: the real HTTP server on an ephemeral port, a store of its own (../store/place.h),
 * blobs in a temporary directory, a clock that is moved by hand, and hosts and people to ask as. */
#ifndef TOWLINE_TESTS_DESK_RIG_H
#define TOWLINE_TESTS_DESK_RIG_H

#include <curl/curl.h>
#include <towline/jwt.h>

#include "../store/place.h"
#include "desk/desk.h"
#include "desk/people.h"

#define RIG_NOW_MS 1795000000000 /* what the rig's clock shows at first */

struct rig {
	struct place *place;
	struct tl_clock_fake clock;
	struct tl_desk desk;
	struct tl_http *http;
	struct tl_store *store; /* the test's own connection */
	char blobs_url[256], url[64], intake[256], ca_file[256];
};

/* Per test: *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

/* ---- asking ----------------------------------------------------------------------------------- */

struct reply {
	long status;
	json_t *json; /* NULL when the body is none */
	char text[16384], headers[8192];
};
void reply_clear(struct reply *reply);
TL_DEFINE_AUTO(reply, reply_clear);

struct ask {
	const char *method, *path;
	const char *token; /* NULL: none */
	const char *json;  /* body, or */
	const char *form;
	const void *bytes; /* body of application/offset+octet-stream */
	size_t len;
	bool chunked;
	const char *headers[8];
};
void rig_ask(struct rig *rig, const struct ask *ask, struct reply *ret_reply);
/* The value of a reply's header, into `value`; "" when absent. */
void reply_header(const struct reply *reply, const char *name, char value[static 256]);
/* Fails unless the reply is this problem. */
void assert_problem(const struct reply *reply, long status, const char *slug);
void assert_status(const struct reply *reply, long status);
const char *reply_text(const struct reply *reply, const char *member);

/* ---- people and hosts ------------------------------------------------------------------------- */

/* A user with these roles; the API token. */
void rig_person(struct rig *rig, const char *login, const char *roles,
		char token[static TL_TOKEN_TEXT_MAX]);

struct host {
	struct tl_key *key, *consent_key;
	char id[TL_ID_LEN + 1];
	char token[2048]; /* access token */
};
void host_clear(struct host *host);
TL_DEFINE_AUTO(host, host_clear);

/* The secret of a new enrolment token. */
void rig_secret(struct rig *rig, char secret[static 64]);
/* The enrolment request of `key`, as JSON text. */
void rig_enrolment(struct rig *rig, const struct host *host, const char *name, const char *secret,
		   int64_t at_ms, char body[static 4096]);
void host_make_keys(struct host *host);
/* Enrolled, with an access token. */
void rig_host(struct rig *rig, const char *name, struct host *ret_host);
/* Signs claims (taken). */
void rig_sign(const struct tl_key *key, const char *typ, json_t *claims, char *token, size_t size);
/* A ticket filed by the host; its number. */
void rig_ticket(struct rig *rig, const struct host *host, char number[static 33]);

#endif
