#include "cli/signing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/sshkey.h>

#define AGENT_LIST_MAX (256 * 1024)
#define LINE_MAX_BYTES 8192

extern char **environ;

void tl_signing_key_clear(struct tl_signing_key *key)
{
	free(key->file);
	free(key->line);
	tl_strv_clear(&key->keys);
	*key = (struct tl_signing_key){.file = NULL};
}

/* ---- OpenSSH's programs ------------------------------------------------------------------------ */

static int memory_of(const char *text, size_t len, int *ret_fd, struct tl_err *err)
{
	tl_fd int fd = memfd_create("towline", MFD_CLOEXEC);

	if (fd < 0 || tl_fs_write_all(fd, text, len, NULL) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return tl_err_sys(err, TL_EIO, errno, "no memory for a message");
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

static int read_all(int fd, struct tl_buf *out)
{
	char piece[4096];
	ssize_t got;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return TL_EIO;
	while ((got = read(fd, piece, sizeof piece)) > 0)
		tl_buf_append(out, piece, (size_t)got);
	return got < 0 ? TL_EIO : tl_buf_check(out);
}

/* Runs it with `input` as 0, what it prints in `out`, and `extra` (-1: none) as 3. Its stderr is ours: it may ask
 * for a touch. */
static int run(const char *const *argv, int input, int extra, struct tl_buf *out,
	       struct tl_err *err)
{
	posix_spawn_file_actions_t actions;
	tl_fd int output = memfd_create("towline", MFD_CLOEXEC);
	int status = 0, failed;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (extra >= 0)
		posix_spawn_file_actions_adddup2(&actions, extra, 3);
	failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
			      environ);
	posix_spawn_file_actions_destroy(&actions);
	if (failed)
		return tl_err_sys(err, TL_ENOENT, failed, "cannot run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return tl_err_set(err, TL_EIO, "%s failed", argv[0]);
	return read_all(output, out) ? tl_err_set(err, TL_ETOOBIG, "%s printed too much", argv[0])
				     : 0;
}

/* ---- choosing ---------------------------------------------------------------------------------- */

static bool blob_of(const char *line, struct tl_buf *blob)
{
	return tl_sshkey_of_line(line, blob, NULL) == 0;
}

static bool is_registered(const char *line, const struct tl_strv *registered)
{
	tl_auto(tl_buf) struct tl_buf wanted = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

	if (!blob_of(line, &wanted))
		return false;
	for (size_t i = 0; i < registered->count; i++) {
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

		if (blob_of(registered->items[i], &blob) && blob.len == wanted.len &&
		    memcmp(blob.data, wanted.data, blob.len) == 0)
			return true;
	}
	return false;
}

static int name_key(struct tl_signing_key *key, const char *line, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];

	if (!blob_of(line, &blob))
		return 0;
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
	if (tl_strv_has(&key->keys, fingerprint) || tl_strv_push(&key->keys, fingerprint) == 0)
		return 0;
	return tl_err_set(err, TL_ENOMEM, "out of memory");
}

/* Of the agent's keys those that the relay knows; the first signs, where nothing else was named. */
static int ask_agent(const struct tl_strv *registered, struct tl_signing_key *key,
		     struct tl_err *err)
{
	static const char *const argv[] = {"ssh-add", "-L", NULL};
	tl_auto(tl_buf) struct tl_buf list = TL_BUF_INIT(AGENT_LIST_MAX);
	tl_fd int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char *at, *line;
	int rc = 0;

	if (!getenv("SSH_AUTH_SOCK") || run(argv, nothing, -1, &list, NULL) != 0)
		return 0; /* no agent, or an empty one */
	for (at = list.data; rc == 0 && at && (line = strsep(&at, "\n"));) {
		if (!is_registered(line, registered))
			continue;
		rc = name_key(key, line, err);
		if (rc == 0 && !key->file && !key->line && !(key->line = strdup(line)))
			rc = tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	return rc;
}

static int read_public(const char *file, struct tl_buf *line)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof path, "%s%s", file, tl_str_ends(file, ".pub") ? "" : ".pub");
	rc = tl_fs_read_file(AT_FDCWD, path, line, NULL);
	while (rc == 0 && line->len > 0 && strchr("\r\n", line->data[line->len - 1]))
		line->data[--line->len] = '\0';
	return rc;
}

static int take_file(const char *file, struct tl_signing_key *key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(LINE_MAX_BYTES);

	if (read_public(file, &line) != 0)
		return tl_err_set(err, TL_ENOENT, "there is no public key beside %s", file);
	free(key->file);
	key->file = strdup(file);
	return key->file ? name_key(key, tl_buf_str(&line), err)
			 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

/* As ssh(1) would log in by itself. */
static int look_at_home(const struct tl_strv *registered, struct tl_signing_key *key,
			struct tl_err *err)
{
	static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_ed25519_sk",
					    "id_ecdsa_sk", "id_rsa"};
	const char *home = getenv("HOME");

	for (size_t i = 0; home && i < TL_ARRAY_LEN(names); i++) {
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(LINE_MAX_BYTES);
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%s/.ssh/%s", home, names[i]);
		if (read_public(path, &line) == 0 && is_registered(tl_buf_str(&line), registered))
			return take_file(path, key, err);
	}
	return tl_err_set(err, TL_ENOENT,
			  "no key that is registered to you is in ssh-agent or ~/.ssh: add one by "
			  "ssh-add, or name it with --key");
}

int tl_signing_choose(const char *file, const struct tl_strv *registered,
		      struct tl_signing_key *ret_key, struct tl_err *err)
{
	tl_auto(tl_signing_key) struct tl_signing_key key = {.file = NULL};
	int rc = file ? take_file(file, &key, err) : 0;

	if (rc == 0)
		rc = ask_agent(registered, &key, err);
	if (rc == 0 && !key.file && !key.line)
		rc = look_at_home(registered, &key, err);
	if (rc != 0)
		return rc;
	*ret_key = key;
	key = (struct tl_signing_key){.file = NULL};
	return 0;
}

/* ---- signing ----------------------------------------------------------------------------------- */

int tl_signing_sign(const struct tl_signing_key *key, const char *name_space, const char *text,
		    size_t len, struct tl_buf *signature, struct tl_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-q",
				    "-Y",	  "sign",
				    "-n",	  name_space,
				    "-f",	  key->file ? key->file : "/proc/self/fd/3",
				    NULL};
	tl_fd int input = -1, line = -1;
	int rc = memory_of(text, len, &input, err);

	if (rc == 0 && !key->file)
		rc = memory_of(key->line, strlen(key->line), &line, err);
	if (rc == 0)
		rc = run(argv, input, line, signature, err);
	return rc;
}
