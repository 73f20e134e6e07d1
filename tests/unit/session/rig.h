/* What the tests of sessions stand on: a directory, keys, a fake helper, an endpoint that serves
 * called-home streams on a loop of its own, and the stock OpenSSH client to drive it. */
#ifndef TESTS_SESSION_RIG_H
#define TESTS_SESSION_RIG_H

#include <stdbool.h>
#include <sys/types.h>
#include <towline/crypto.h>
#include <towline/grant.h>

struct rig;

struct rig *rig_new(void);
void rig_free(struct rig *rig);

/* Files and keys of the rig. */
const char *rig_dir(const struct rig *rig);
const struct tl_key *rig_host_key(const struct rig *rig);  /* the endpoint's SSH host key */
const struct tl_key *rig_agent_key(const struct rig *rig); /* seals its recordings */
const char *rig_engineer_line(const struct rig *rig);	   /* ssh-ed25519 … of DIR/engineer */

/* Serves one session on `fd` (taken over). keys: authorized_keys lines, NULL-terminated. `record`:
 * as in the end-to-end lane, into DIR/<session>.jsonl. */
void rig_serve(struct rig *rig, int fd, const char *session, unsigned scopes,
	       const char *const *keys, bool record);
/* Listens on loopback and serves each connection as a session "…" of its own. Returns the port. */
unsigned rig_listen(struct rig *rig, unsigned scopes, bool record);
/* How the last session ended; waits for it. */
const char *rig_wait_end(struct rig *rig);
void rig_stop_session(struct rig *rig, const char *reason);

struct rig_run {
	int status; /* exit status; 128 + n for signal n */
	char *out, *err;
	size_t out_len, err_len;
};
/* Runs a command by sh with DIR as working directory; `input` (may be NULL) on stdin. */
struct rig_run rig_sh(struct rig *rig, const char *input, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void rig_run_clear(struct rig_run *run);

#endif
