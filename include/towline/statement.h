/* An engineer's own request for a session: what the engineer signs, before the relay makes a grant of it.
 *
 * A JSON object of one line, the same bytes for the same request, signed by an SSH key of the engineer's
 * (towline/sshsig.h, namespace TL_SSHSIG_SESSION). An endpoint whose policy wants it believes a grant only as far
 * as such a statement goes: the relay may narrow it, and nothing else. Any thread. */
#ifndef TOWLINE_STATEMENT_H
#define TOWLINE_STATEMENT_H

#include <towline/grant.h>
#include <towline/sshkey.h>

#define TL_STATEMENT_LIFE_MAX_MS TL_GRANT_LIFE_MAX_MS /* from not-before to not-after */

struct tl_statement {
	char relay[TL_ID_LEN + 1];
	char host[TL_ID_LEN + 1];
	char host_name
		[256]; /* as the engineer typed it, so that an id cannot stand for another host */
	char engineer[65];
	char ticket[33];
	char purpose[513];
	char user[65];		   /* account on the host; "": the one that its policy names */
	char nonce[TL_ID_LEN + 1]; /* each is accepted once */
	enum tl_lane lane;
	unsigned scopes;
	bool purpose_stated, break_glass; /* as in struct tl_grant */
	struct tl_strv
		keys; /* fingerprints of those that may log in; none in the bastion lane, where the relay
				logs in by one that it makes for the session */
	int64_t not_before_ms, not_after_ms;
	int64_t max_s;
};

void tl_statement_clear(struct tl_statement *statement);
TL_DEFINE_AUTO(tl_statement, tl_statement_clear);

/* Appends the text that is signed. TL_EINVAL for one that tl_statement_read would not take. */
TL_MUST_CHECK int tl_statement_write(const struct tl_statement *statement, struct tl_buf *out,
				     struct tl_err *err);
/* Reads it, with every limit; whose signature is on it was checked before. The caller clears *ret_statement. */
TL_MUST_CHECK int tl_statement_read(const char *text, size_t len,
				    struct tl_statement *ret_statement, struct tl_err *err);
/* Whether `grant` asks for the same, or for less. TL_EDENIED names what it changed. */
TL_MUST_CHECK int tl_statement_covers(const struct tl_statement *statement,
				      const struct tl_grant *grant, struct tl_err *err);

#endif
