#include "cli/api.h"
#include "cli/certificate.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/fs.h>

#define TOKEN_MAX 512

static void write_yaml_text(struct tl_buf *out, const char *key, const char *value)
{
	tl_buf_printf(out, "%s: '", key);
	for (; *value; value++) {
		if (*value == '\'')
			tl_buf_putc(out, '\'');
		tl_buf_putc(out, *value);
	}
	tl_buf_puts(out, "'\n");
}

static int write_profile(const struct tl_cli *cli, int dir_fd, const char *name, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf yaml = TL_BUF_INIT(16384);
	tl_free char *ca = NULL;
	const char *given_ca = tl_cli_get(cli, "ca");

	if (given_ca && !(ca = realpath(given_ca, NULL)))
		return tl_err_sys(err, TL_EIO, errno, "cannot read %s", given_ca);
	write_yaml_text(&yaml, "relay", tl_cli_get(cli, "relay"));
	if (ca)
		write_yaml_text(&yaml, "ca", ca);
	if (tl_cli_has(cli, "ssh"))
		write_yaml_text(&yaml, "ssh", tl_cli_get(cli, "ssh"));
	write_yaml_text(&yaml, "token_file", "token");
	if (tl_buf_check(&yaml))
		return tl_err_set(err, TL_ETOOBIG, "the configuration is too long");
	return tl_fs_write_file(dir_fd, name, 0600, yaml.data, yaml.len, err);
}

static int print_identity(const struct tl_cli *cli, struct tl_err *err)
{
	static const struct tl_column fields[] = {{"Login", "login", 0},
						  {"Name", "name", 0},
						  {"Roles", "roles", 0}};
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *me = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_api_get(api, "/v1/me", &me, err);
	if (rc)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, me);
	else
		tl_print_fields(stdout, me, fields, TL_ARRAY_LEN(fields));
	return 0;
}

/* Token and profile, as they are asked for: a new login. */
static int remember(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_SECRET_INIT(TOKEN_MAX);
	tl_free char *path = NULL;
	tl_fd int dir_fd = -1;
	char *slash;
	int rc;

	if (!tl_str_starts(tl_cli_get(cli, "relay"), "https://"))
		return tl_err_set(err, TL_EUSAGE, "name the relay: --relay https://HOST:PORT");
	rc = tl_profile_path(cli, &path, err);
	if (rc == 0)
		rc = tl_prompt_secret("API token: ", &token, err);
	if (rc)
		return rc;
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	rc = tl_fs_make_dir(slash ? path : ".", 0700, &dir_fd, err);
	if (rc == 0)
		rc = tl_fs_write_file(dir_fd, "token", 0600, token.data, token.len, err);
	return rc ? rc : write_profile(cli, dir_fd, slash ? slash + 1 : path, err);
}

/* Without --relay: again, where one logged in before. The certificate is what was over. */
int tl_command_login(const struct tl_cli *cli, struct tl_err *err)
{
	int rc = tl_cli_has(cli, "relay") ? remember(cli, err) : 0;

	if (rc == 0)
		rc = print_identity(cli, err);
	if (rc == 0 && !tl_cli_has(cli, "no-certificate"))
		rc = tl_certificate_fetch(cli, err);
	return rc;
}

int tl_command_whoami(const struct tl_cli *cli, struct tl_err *err)
{
	return print_identity(cli, err);
}
