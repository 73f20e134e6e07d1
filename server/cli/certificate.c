#include "cli/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "cli/totp.h"

#define LINE_MAX_BYTES 16384
#define OWN_KEY_NOTE "ssh_key.path" /* names the engineer's own key, where it is one */

/* ---- files beside the profile -------------------------------------------------------------------- */

static int open_directory(const struct tl_cli *cli, char **ret_path, int *ret_fd,
			  struct tl_err *err)
{
	tl_free char *path = NULL;
	char *slash;
	int rc = tl_profile_path(cli, &path, err);

	if (rc)
		return rc;
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	else
		strcpy(path, ".");
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s", path);
	*ret_path = tl_steal(&path);
	return 0;
}

static int write_text(int dir_fd, const char *name, mode_t mode, const struct tl_buf *text,
		      struct tl_err *err)
{
	if (tl_buf_check(text))
		return tl_err_set(err, TL_ETOOBIG, "%s would be too long", name);
	return tl_fs_write_file(dir_fd, name, mode, text->data, text->len, err);
}

/* ---- the key ------------------------------------------------------------------------------------- */

/* A key of this login alone: it is worth as much as its certificate, and as long. */
static int make_key(int dir_fd, struct tl_buf *public_line, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(4096);
	tl_auto(tl_key) struct tl_key *key = NULL;
	int rc = tl_key_generate(&key, err);

	if (rc)
		return rc;
	tl_key_ssh_line(key, "towline", public_line);
	if (tl_sshkey_private(key, "towline", &text))
		return tl_err_set(err, TL_EINTERNAL, "the key cannot be written");
	if ((rc = tl_fs_remove(dir_fd, OWN_KEY_NOTE, err)) ||
	    (rc = tl_fs_remove(dir_fd, TL_SSH_CERTIFICATE_FILE, err)))
		return rc;
	return write_text(dir_fd, TL_SSH_KEY_FILE, 0600, &text, err);
}

/* The engineer's own: in a file, an agent or a security key; only its public half is read. */
static int take_key(int dir_fd, const char *given, struct tl_buf *public_line, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf note = TL_BUF_INIT(PATH_MAX);
	tl_auto(tl_buf) struct tl_buf file = TL_BUF_INIT(PATH_MAX);
	tl_free char *path = realpath(given, NULL);
	int rc;

	if (!path)
		return tl_err_sys(err, TL_EIO, errno, "cannot read %s", given);
	tl_buf_printf(&file, "%s%s", path, tl_str_ends(path, ".pub") ? "" : ".pub");
	if ((rc = tl_buf_check(&file)) ||
	    (rc = tl_fs_read_file(AT_FDCWD, tl_buf_str(&file), public_line, err)) ||
	    (rc = tl_fs_remove(dir_fd, TL_SSH_CERTIFICATE_FILE, err)))
		return rc;
	tl_buf_append(&note, file.data, file.len - strlen(".pub"));
	return write_text(dir_fd, OWN_KEY_NOTE, 0600, &note, err);
}

/* ---- the certificate ----------------------------------------------------------------------------- */

static bool is_no_failure(const struct tl_api *api)
{
	return tl_streq(tl_api_problem(api), "no-ssh-authority") ||
	       tl_streq(tl_api_problem(api), "second-factor-missing");
}

static int keep(int dir_fd, const json_t *answer, struct tl_err *err)
{
	const char *line = json_string_value(json_object_get(answer, "certificate"));
	const char *expires = json_string_value(json_object_get(answer, "expires"));
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(LINE_MAX_BYTES);
	int rc;

	if (!line || !expires || strpbrk(line, "\r\n"))
		return tl_err_set(err, TL_EPROTO, "the relay sent no certificate");
	tl_buf_printf(&text, "%s\n", line);
	rc = write_text(dir_fd, TL_SSH_CERTIFICATE_FILE, 0644, &text, err);
	if (rc == 0)
		fprintf(stderr, "SSH certificate until %s\n", expires);
	return rc;
}

static int request(const struct tl_cli *cli, int dir_fd, const struct tl_buf *public_line,
		   struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *body = json_pack("{s:s, s:b}", "key", tl_buf_str(public_line), "bound",
				  (int)tl_cli_has(cli, "bind-address"));
	tl_json *answer = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc)
		return rc;
	rc = tl_totp_post(api, "/v1/me/ssh-certificates", body, &answer, err);
	if (rc && is_no_failure(api)) {
		fprintf(stderr, "towline: no SSH certificate: %s\n", tl_err_text(err));
		return 0;
	}
	return rc ? rc : keep(dir_fd, answer, err);
}

int tl_certificate_fetch(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf public_line = TL_BUF_INIT(LINE_MAX_BYTES);
	const char *given = tl_cli_get(cli, "ssh-key");
	tl_free char *directory = NULL;
	tl_fd int dir_fd = -1;
	int rc = open_directory(cli, &directory, &dir_fd, err);

	if (rc == 0)
		rc = given ? take_key(dir_fd, given, &public_line, err)
			   : make_key(dir_fd, &public_line, err);
	while (public_line.len > 0 && strchr("\r\n", public_line.data[public_line.len - 1]))
		public_line.data[--public_line.len] = '\0';
	return rc ? rc : request(cli, dir_fd, &public_line, err);
}

bool tl_certificate_paths(const struct tl_cli *cli, struct tl_buf *key, struct tl_buf *certificate)
{
	tl_free char *directory = NULL;
	tl_fd int dir_fd = -1;

	if (open_directory(cli, &directory, &dir_fd, NULL) ||
	    faccessat(dir_fd, TL_SSH_CERTIFICATE_FILE, R_OK, 0) != 0)
		return false;
	tl_buf_printf(certificate, "%s/%s", directory, TL_SSH_CERTIFICATE_FILE);
	if (tl_fs_read_file(dir_fd, OWN_KEY_NOTE, key, NULL) != 0) {
		tl_buf_reset(key);
		tl_buf_printf(key, "%s/%s", directory, TL_SSH_KEY_FILE);
	}
	return tl_buf_check(key) == 0 && tl_buf_check(certificate) == 0;
}
