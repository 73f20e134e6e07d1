#include "cli/api.h"
#include "cli/certificate.h"
#include "cli/commands.h"
#include "cli/door.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <towline/program.h>

int tl_front_door_read(const struct tl_profile *profile, struct tl_front_door *ret_door,
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

/* What every block says: host keys come from the relay, and nothing else is believed. */
struct generated {
	const char *command, *path; /* of towline and its configuration */
	struct tl_front_door door;
	bool is_signed;			   /* requests are signed, by `towline connect` */
	const char *key;		   /* by this file; NULL: it finds one */
	const char *ssh_key, *certificate; /* of `towline login`; NULL: none was fetched */
};

static void print_trust(const struct generated *generated)
{
	if (generated->certificate)
		printf("\tCertificateFile \"%s\"\n"
		       "\tIdentityFile \"%s\"\n",
		       generated->certificate, generated->ssh_key);
	printf("\tKnownHostsCommand %s --config %s known-hosts %%H\n"
	       "\tUserKnownHostsFile /dev/null\n"
	       "\tStrictHostKeyChecking yes\n\n",
	       generated->command, generated->path);
}

/* The way to a host: through the front door, or by a request that the engineer's key signs. */
static void print_way(const struct generated *generated)
{
	if (!generated->is_signed)
		printf("\tProxyJump towline-relay\n");
	else
		printf("\tProxyCommand %s --config %s connect%s%s %%h\n", generated->command,
		       generated->path, generated->key ? " --key " : "",
		       generated->key ? generated->key : "");
}

static void print_relay_block(const struct generated *generated)
{
	printf("# Made by `towline ssh-config`; include it from ~/.ssh/config.\n"
	       "Host towline-relay\n"
	       "\tHostName %s\n"
	       "\tPort %s\n",
	       generated->door.host, generated->door.port);
	print_trust(generated);
	printf("Host T-* t-*\n");
	print_way(generated);
	print_trust(generated);
}

/* In a domain of their own: a host names itself, and must not become another name that the engineer
 * uses ("git", "towline-relay"). With --short that is the engineer's decision. */
static void print_host_block(const struct generated *generated, const char *host, bool bare)
{
	bool taken = strcasecmp(host, "towline-relay") == 0 ||
		     strcasecmp(host, generated->door.host) == 0;

	printf("Host %s%s%s.towline\n"
	       "\tHostName %s\n",
	       bare && !taken ? host : "", bare && !taken ? " " : "", host, host);
	print_way(generated);
	print_trust(generated);
}

static void print_blocks(const struct generated *generated, const json_t *hosts, bool bare)
{
	print_relay_block(generated);
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		const char *name = json_string_value(json_object_get(host, "name"));

		if (fits_ssh_config(name))
			print_host_block(generated, name, bare);
	}
}

int tl_command_ssh_config(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(PATH_MAX);
	tl_auto(tl_buf) struct tl_buf certificate = TL_BUF_INIT(PATH_MAX);
	struct generated generated = {.command = NULL};
	char command[PATH_MAX];
	tl_free char *path = NULL;
	tl_json *hosts = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_profile_path(cli, &path, err);
	if (rc == 0)
		rc = tl_front_door_read(tl_api_profile(api), &generated.door, err);
	if (rc == 0)
		rc = tl_program_path("towline", command, err);
	if (rc == 0)
		rc = tl_api_list(api, "/v1/hosts", &hosts, err);
	if (rc)
		return rc;
	if (tl_certificate_paths(cli, &key, &certificate)) {
		generated.ssh_key = tl_buf_str(&key);
		generated.certificate = tl_buf_str(&certificate);
	}
	generated.command = command;
	generated.path = path;
	generated.is_signed = tl_cli_has(cli, "signed") || tl_cli_has(cli, "key");
	generated.key = tl_cli_get(cli, "key");
	print_blocks(&generated, hosts, tl_cli_has(cli, "short"));
	return 0;
}

/* ---- host keys --------------------------------------------------------------------------------- */

/* A key line from the relay, without anything that could begin another line. */
static bool is_key_line(const char *line)
{
	return line && tl_str_starts(line, "ssh-ed25519 ") && !strpbrk(line, "\r\n");
}

/* Without the key's comment: dropbear's client takes it for a part of the key. */
static void print_known_host(const char *name, const char *port, const char *line)
{
	int len;

	if (!is_key_line(line))
		return;
	len = (int)(strlen("ssh-ed25519 ") + strcspn(line + strlen("ssh-ed25519 "), " "));
	if (port && !tl_streq(port, "22"))
		printf("[%s]:%s %.*s\n", name, port, len, line);
	else
		printf("%s %.*s\n", name, len, line);
}

/* The line of `host` under `name`, which is the host's own or a ticket's number. No host answers in the
 * front door's place. */
static void print_host(const struct tl_front_door *door, const json_t *host, const char *name)
{
	if (fits_ssh_config(name) && strcasecmp(name, door->host) != 0)
		print_known_host(name, NULL,
				 json_string_value(json_object_get(host, "ssh_host_key")));
}

static bool is_ticket(const char *name)
{
	return (name[0] == 'T' || name[0] == 't') && name[1] == '-' && tl_str_is_name(name, 32);
}

/* The host that a ticket is about; NULL when it names none. */
static int find_ticket_host(struct tl_api *api, const char *number, char ret_name[static 256],
			    struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *ticket = NULL;
	const char *name;
	int rc;

	tl_buf_printf(&path, "/v1/tickets/T-%s", number + 2);
	rc = tl_api_get(api, tl_buf_str(&path), &ticket, err);
	if (rc)
		return rc;
	name = json_string_value(json_object_get(json_object_get(ticket, "host"), "name"));
	if (!name)
		return tl_err_set(err, TL_ENOENT, "ticket %s is about no host", number);
	snprintf(ret_name, 256, "%s", name);
	return 0;
}

static bool names_door(const struct tl_front_door *door, const char *wanted)
{
	char text[280];

	snprintf(text, sizeof text, "[%s]:%s", door->host, door->port);
	return tl_streq(wanted, text) ||
	       (tl_streq(door->port, "22") && tl_streq(wanted, door->host));
}

static int print_relay_key(struct tl_api *api, const struct tl_front_door *door, struct tl_err *err)
{
	tl_json *relay = NULL;
	int rc = tl_api_get(api, "/v1/relay", &relay, err);

	if (rc == 0)
		print_known_host(door->host, door->port,
				 json_string_value(json_object_get(relay, "ssh_host_key")));
	return rc;
}

/* `wanted` NULL: every host. */
static int print_host_keys(struct tl_api *api, const struct tl_front_door *door, const char *wanted,
			   struct tl_err *err)
{
	char ticket_host[256] = "";
	tl_json *hosts = NULL;
	int rc = 0;

	if (wanted && is_ticket(wanted))
		rc = find_ticket_host(api, wanted, ticket_host, err);
	if (rc == 0)
		rc = tl_api_list(api, "/v1/hosts", &hosts, err);
	for (size_t i = 0; rc == 0 && i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		const char *name = json_string_value(json_object_get(host, "name"));

		if (!wanted)
			print_host(door, host, name);
		else if (name && strcasecmp(name, ticket_host[0] ? ticket_host : wanted) == 0)
			print_host(door, host, wanted);
	}
	return rc;
}

int tl_command_known_hosts(const struct tl_cli *cli, struct tl_err *err)
{
	const char *wanted = tl_cli_operand(cli, 0);
	tl_auto(tl_api) struct tl_api *api = NULL;
	struct tl_front_door door = {.host = ""};
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_front_door_read(tl_api_profile(api), &door, err);
	if (rc == 0 && (!wanted || names_door(&door, wanted)))
		rc = print_relay_key(api, &door, err);
	if (rc == 0 && (!wanted || !names_door(&door, wanted)))
		rc = print_host_keys(api, &door, wanted, err);
	return rc;
}
