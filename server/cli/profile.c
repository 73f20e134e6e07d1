#include "cli/profile.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY(key_name, field, fallback, text) \
	{ \
		.name = (key_name), .type = TL_CONF_TEXT, \
		.offset = offsetof(struct tl_profile, field), .default_text = (fallback), \
		.max = 1024, .help = (text) \
	}

static const struct tl_conf_key profile_keys[] = {
	{.name = "ca",
	 .type = TL_CONF_PATH,
	 .offset = offsetof(struct tl_profile, ca),
	 .default_text = "",
	 .max = 4096,
	 .help = "PEM file with the CA of the relay; empty: the system's."},
	KEY("relay", relay, NULL, "The relay's address: https://HOST:PORT."),
	KEY("ssh", ssh, "", "HOST:PORT of the relay's SSH front door, for ssh-config."),
	{.name = "token_file",
	 .type = TL_CONF_PATH,
	 .offset = offsetof(struct tl_profile, token_file),
	 .default_text = NULL,
	 .max = 4096,
	 .help = "File with the API token, readable by its owner alone."},
};

const struct tl_conf_schema tl_profile_schema = {
	.name = "config.yaml",
	.intro = "Which relay the engineer's command talks to. Written by `towline login`.",
	.keys = profile_keys,
	.key_count = TL_ARRAY_LEN(profile_keys),
	.struct_size = sizeof(struct tl_profile),
};

const struct tl_cli_option tl_profile_options[] = {
	{'c', "config", "FILE", "Configuration file (default ~/.config/towline/config.yaml)."},
	{0},
};

int tl_profile_path(const struct tl_cli *cli, char **ret_path, struct tl_err *err)
{
	const char *given = tl_cli_get(cli, "config");
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(4096);

	if (!given)
		given = getenv("TOWLINE_CONFIG");
	if (given)
		tl_buf_puts(&path, given);
	else if (base && base[0] == '/')
		tl_buf_printf(&path, "%s/towline/config.yaml", base);
	else if (home && home[0] == '/')
		tl_buf_printf(&path, "%s/.config/towline/config.yaml", home);
	else
		return tl_err_set(err, TL_EUSAGE, "HOME is not set: name a file with --config");
	if (tl_buf_check(&path))
		return tl_err_set(err, TL_ETOOBIG, "the configuration file's path is too long");
	*ret_path = tl_buf_take(&path);
	return *ret_path ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_profile_load(const struct tl_cli *cli, struct tl_profile *ret_profile, struct tl_err *err)
{
	tl_free char *path = NULL;
	int rc = tl_profile_path(cli, &path, err);

	if (rc)
		return rc;
	if (access(path, F_OK) != 0)
		return tl_err_set(err, TL_ENOENT,
				  "no configuration at %s: run `towline login` first", path);
	return tl_conf_load(&tl_profile_schema, path, ret_profile, err);
}

void tl_profile_clear(struct tl_profile *profile)
{
	tl_conf_clear(&tl_profile_schema, profile);
}
