/* Name service: whether the relay's name, or those that the owner gives, are resolved, and how fast. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#include "health/run.h"

static void resolve(struct health_run *run, const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int64_t began_ms = health_now_ms();
	int r = getaddrinfo(name, NULL, &hints, &found);
	char text[TL_HEALTH_TEXT_MAX];

	if (r == 0) {
		health_truth(run, "dns_resolves", name, true, NULL);
		health_number(run, "dns_time", name, (double)(health_now_ms() - began_ms) / 1000,
			      NULL);
		freeaddrinfo(found);
		return;
	}
	snprintf(text, sizeof text, "The name is not resolved: %s", gai_strerror(r));
	health_truth(run, "dns_resolves", name, false, text);
}

static void resolving_is_late(struct health_run *run, const char *name)
{
	health_truth(run, "dns_resolves", name, false, "No answer from name service in time");
}

static bool is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static void tell_servers(struct health_run *run)
{
	char text[8192];
	const char *line = text;
	double count = 0;

	if (health_read(run, "/etc/resolv.conf", text, sizeof text) == 0)
		return;
	while (line && *line) {
		count += tl_str_starts(line, "nameserver");
		line = strchr(line, '\n');
		line += line ? 1 : 0;
	}
	health_number(run, "dns_servers", NULL, count, NULL);
}

void health_probe_names(struct health_run *run)
{
	const struct tl_health_agent *agent = run->options->agent;
	const struct tl_yaml_node *names = thresholds_names(run->thresholds);

	tell_servers(run);
	if (!health_wanted(run, "dns_resolves") && !health_wanted(run, "dns_time"))
		return;
	for (const struct tl_yaml_node *node = names ? names->first : NULL; node; node = node->next)
		health_task_start(run, resolve, resolving_is_late, node->text);
	if (!names && agent && agent->relay_host && agent->relay_host[0] &&
	    !is_address(agent->relay_host))
		health_task_start(run, resolve, resolving_is_late, agent->relay_host);
}
