/* `roster.take`: what the relay publishes, handed over by the agent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/json.h>
#include <towline/log.h>

#include "helper/authority.h"
#include "helper/helper.h"

#define DOCUMENT_MAX (2 * TL_ROSTER_MAX + 2 * TL_SSHSIG_MAX)
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK)

/* Sealed memory only: a file of the agent's making could change under the reader, or never answer. */
static int read_sealed(int fd, struct tl_buf *out, struct tl_err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;
	char *room;
	ssize_t got;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) != 0)
		return tl_err_set(err, TL_EINVAL, "the roster does not come in sealed memory");
	if (status.st_size <= 0 || status.st_size > DOCUMENT_MAX)
		return tl_err_set(err, TL_ETOOBIG, "the roster is empty or too large");
	room = tl_buf_reserve(out, (size_t)status.st_size);
	if (!room)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	got = pread(fd, room, (size_t)status.st_size, 0);
	if (got != status.st_size)
		return tl_err_sys(err, TL_EIO, errno, "the roster cannot be read");
	tl_buf_commit(out, (size_t)got);
	return 0;
}

struct document {
	const char *roster, *signature;
	int64_t version;
};

static const struct tl_json_member members[] = {
	{"roster", TL_JSON_TEXT, true, offsetof(struct document, roster), 0, TL_ROSTER_MAX},
	{"signature", TL_JSON_TEXT, true, offsetof(struct document, signature), 0, TL_SSHSIG_MAX},
	{"version", TL_JSON_INT, false, offsetof(struct document, version), 0, INT64_MAX},
};

/* Whoever is no longer on the roster is out of running sessions too. */
static void end_sessions_of_removed(struct tl_helper *helper)
{
	const struct tl_roster *roster = &helper->roster.roster;

	for (struct tl_session *session = helper->sessions, *next; session; session = next) {
		next = session->next;
		if (!tl_roster_of_login(roster, session->grant.engineer))
			tl_session_stop(session, "the engineer was taken off the roster");
	}
}

int tl_roster_verb_take(struct tl_helper *helper, struct tl_ask *ask, struct tl_err *err)
{
	const struct tl_authority authority = {.policy = &helper->policy, .trust = &helper->trust};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(DOCUMENT_MAX);
	struct document document = {.version = 0};
	tl_json *json = NULL;
	int rc = read_sealed(ask->message.fds[0], &text, err);

	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, &json, err);
	if (rc == 0)
		rc = tl_json_read(json, members, TL_ARRAY_LEN(members), &document, err);
	if (rc == 0)
		rc = tl_roster_book_take(&helper->roster, tl_authority_pin(&authority),
					 document.roster, document.signature, err);
	if (rc != 0) {
		tl_log_warning("a roster was refused", TL_S("why", tl_err_text(err)));
		return rc;
	}
	tl_log_info("the roster of engineers is known",
		    TL_I("version", helper->roster.roster.version),
		    TL_I("engineers", (int64_t)helper->roster.roster.count));
	if (helper->policy.sessions_engineer_signed)
		end_sessions_of_removed(helper);
	tl_ask_reply(ask, json_pack("{s:I}", "version", (json_int_t)helper->roster.roster.version),
		     NULL, 0);
	return 0;
}
