/* Which relay the engineer's command talks to, and as whom: a YAML file of three keys.
 *
 * The API token is kept in a file of its own (0600): it is never an argument or in the environment.
 */
#ifndef TOWLINE_SERVER_CLI_PROFILE_H
#define TOWLINE_SERVER_CLI_PROFILE_H

#include <towline/cli.h>
#include <towline/conf.h>

struct tl_profile {
	char *relay;	  /* https://… without a path */
	char *ca;	  /* PEM file, "" for the system's */
	char *token_file; /* holds the API token */
	char *ssh;	  /* HOST:PORT of the relay's SSH front door, "" when unknown */
};

extern const struct tl_conf_schema tl_profile_schema;

/* The options --config, and their place in every command's help. */
extern const struct tl_cli_option tl_profile_options[];

/* Reads --config, else $TOWLINE_CONFIG, else $XDG_CONFIG_HOME/towline/config.yaml. TL_ENOENT says
 * how to log in. Clear it with tl_profile_clear, after failure too. */
TL_MUST_CHECK int tl_profile_load(const struct tl_cli *cli, struct tl_profile *ret_profile,
				  struct tl_err *err);
void tl_profile_clear(struct tl_profile *profile);
TL_DEFINE_AUTO(tl_profile, tl_profile_clear);

/* The path that tl_profile_load would read; the caller frees it. */
TL_MUST_CHECK int tl_profile_path(const struct tl_cli *cli, char **ret_path, struct tl_err *err);

#endif
