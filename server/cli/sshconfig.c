#include "cli/api.h"
#include "cli/commands.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <towline/program.h>

/* The front door as HOST and PORT, from the profile's "ssh" key. */
struct front_door {
	char host[256];
	char port[8];
};

static int read_front_door(const struct tl_profile *profile, struct front_door *ret_door,
			   struct tl_err *err)
{
	const char *colon = strrchr(profile->ssh, ':');
	uint64_t port;

	if (!colon || colon == profile->ssh || tl_str_u64(colon + 1, 65535, &port) != 0 ||
	    port == 0)
		return tl_err_set(err, TL_ECONFIG,
				  "the key \"ssh\" (HOST:PORT of the relay's SSH front door) is "
				  "missing: run `towline login` with --ssh");
	snprintf(ret_door->host, sizeof ret_door->host, "%.*s", (int)(colon - profile->ssh),
		 profile->ssh);
	snprintf(ret_door->port, sizeof ret_door->port, "%s", colon + 1);
	return 0;
}

/* A name that stands in an ssh_config: host names come from outside. */
static bool fits_ssh_config(const char *name)
{
	return name && tl_str_is_name(name, 253);
}

/* In a domain of their own: a host names itself, and must not become another name that the engineer
 * uses ("git", "towline-relay"). */
static void print_host_block(const char *host, const char *command, const char *path)
{
	printf("Host %s.towline\n"
	       "\tHostName %s\n"
	       "\tProxyJump towline-relay\n"
	       "\tKnownHostsCommand %s --config %s known-hosts\n"
	       "\tUserKnownHostsFile /dev/null\n"
	       "\tStrictHostKeyChecking yes\n\n",
	       host, host, command, path);
}

static void print_relay_block(const struct front_door *door, const char *command, const char *path)
{
	printf("# Made by `towline ssh-config`; include it from ~/.ssh/config.\n"
	       "Host towline-relay\n"
	       "\tHostName %s\n"
	       "\tPort %s\n"
	       "\tKnownHostsCommand %s --config %s known-hosts\n"
	       "\tUserKnownHostsFile /dev/null\n"
	       "\tStrictHostKeyChecking yes\n\n",
	       door->host, door->port, command, path);
}

int tl_command_ssh_config(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	char command[PATH_MAX];
	tl_free char *path = NULL;
	struct front_door door;
	tl_json *hosts = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_profile_path(cli, &path, err);
	if (rc == 0)
		rc = read_front_door(tl_api_profile(api), &door, err);
	if (rc == 0)
		rc = tl_program_path("towline", command, err);
	if (rc == 0)
		rc = tl_api_list(api, "/v1/hosts", &hosts, err);
	if (rc)
		return rc;
	print_relay_block(&door, command, path);
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		const char *name = json_string_value(json_object_get(host, "name"));

		if (fits_ssh_config(name))
			print_host_block(name, command, path);
	}
	return 0;
}

/* A key line from the relay, without anything that could begin another line. */
static bool is_key_line(const char *line)
{
	return line && tl_str_starts(line, "ssh-ed25519 ") && !strpbrk(line, "\r\n");
}

static void print_known_host(const char *name, const char *port, const char *line)
{
	if (!is_key_line(line))
		return;
	if (port && !tl_streq(port, "22"))
		printf("[%s]:%s %s\n", name, port, line);
	else
		printf("%s %s\n", name, line);
}

int tl_command_known_hosts(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	struct front_door door;
	tl_json *relay = NULL;
	tl_json *hosts = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = read_front_door(tl_api_profile(api), &door, err);
	if (rc == 0)
		rc = tl_api_get(api, "/v1/relay", &relay, err);
	if (rc == 0)
		rc = tl_api_list(api, "/v1/hosts", &hosts, err);
	if (rc)
		return rc;
	print_known_host(door.host, door.port,
			 json_string_value(json_object_get(relay, "ssh_host_key")));
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		const char *name = json_string_value(json_object_get(host, "name"));

		/* No host answers in the front door's place. */
		if (fits_ssh_config(name) && strcasecmp(name, door.host) != 0)
			print_known_host(name, NULL,
					 json_string_value(json_object_get(host, "ssh_host_key")));
	}
	return 0;
}
