/* What the front door needs from the desk, as a table, so that it can be tested without one. The
 * functions run on workers; `worker` is one worker's own context (a store connection). */
#ifndef TOWLINE_SERVER_SSH_OFFICE_H
#define TOWLINE_SERVER_SSH_OFFICE_H

#include "desk/broker.h"
#include "desk/session.h"
#include "desk/terminals.h"
#include "desk/throttle.h"
#include "ssh/certificate.h"

/* What the audit trail keeps of a login. "" for what is not known. */
struct tl_login_note {
	bool is_login; /* else it was refused */
	char login[65], certificate[TL_CERTIFICATE_NAME_MAX + 1], address[64], reason[256];
};

struct tl_office {
	int (*open)(void *arg, void **ret_worker, struct tl_err *err);
	void (*close)(void *worker);
	int (*engineer)(void *worker, const char *key_text, struct tl_engineer *ret_engineer,
			struct tl_err *err);
	/* The engineer whom a certificate (base64 of its blob) lets in from `address`. The caller
	 * clears *ret_certificate, after failure too. */
	int (*certified)(void *worker, const char *text, const char *address,
			 struct tl_certificate *ret_certificate, struct tl_engineer *ret_engineer,
			 struct tl_err *err);
	/* Whether a code is needed, too (tl_factor_needed), and whether one is right (tl_factor_check).
	 * NULL: there is no second factor. */
	int (*factor)(void *worker, const char *engineer_id, bool *ret_needed, struct tl_err *err);
	int (*code)(void *worker, const struct tl_engineer *engineer, const char *code,
		    const char *address, struct tl_err *err);
	/* Writes it on the audit trail. NULL: there is none. */
	int (*note)(void *worker, const struct tl_login_note *note, struct tl_err *err);
	/* The engineer's registered keys, added to `keys` (tl_session_keys). */
	int (*keys)(void *worker, const char *engineer_id, struct tl_strv *keys,
		    struct tl_err *err);
	int (*resolve)(void *worker, const char *target, struct tl_session_target *ret_target,
		       struct tl_err *err);
	/* What the engineer asked for by the API; TL_ENOENT: nothing. */
	int (*claim)(void *worker, const struct tl_session_claim *claim,
		     char ret_session[static 27], struct tl_session_target *ret_target,
		     struct tl_err *err);
	int (*request)(void *worker, const struct tl_session_ask *ask, char ret_session[static 27],
		       struct tl_err *err);
	int (*opened)(void *worker, const char *session, struct tl_err *err);
	int (*ended)(void *worker, const char *session, const struct tl_session_end *end,
		     struct tl_err *err);
	/* A descriptor to append the session's recording to; and its end. */
	int (*record_open)(void *worker, const char *session, int *ret_fd, struct tl_err *err);
	int (*record_seal)(void *worker, const char *session, struct tl_err *err);
	/* The session's recording has grown, for those who watch. The front's thread; never blocks. */
	void (*grew)(void *arg, const char *session);
	struct tl_broker *broker;
	struct tl_terminals *terminals; /* may be NULL */
	const struct tl_key *authority; /* seals recordings */
	const struct tl_clock *clock;
	void *arg;
};

/* The real one. `desk` must outlive it. */
void tl_office_of_desk(struct tl_desk *desk, struct tl_office *ret_office);

#endif
