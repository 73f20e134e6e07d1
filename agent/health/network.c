/* Routes, links, ports: what the kernel's tables say, without a packet. */
#include <net/if.h>
#include <stdio.h>

#include "health/run.h"

#define INTERFACES_MAX 32
#define SOCKETS_TIME_MAX_MS 150

/* An IPv4 default route: interface and gateway, as /proc/net/route has them (RTF_UP, destination and mask 0).
 */
static bool find_default_route(const struct health_run *run, char interface[static 32],
			       unsigned *ret_gateway)
{
	char text[32 * 1024];
	char *save = NULL;

	health_read(run, "/proc/net/route", text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned destination, gateway, flags, mask;

		if (sscanf(line, "%31s %x %x %x %*d %*d %*d %x", interface, &destination, &gateway,
			   &flags, &mask) == 5 &&
		    destination == 0 && mask == 0 && (flags & 1)) {
			*ret_gateway = gateway;
			return true;
		}
	}
	return false;
}

static bool has_default_route_6(const struct health_run *run)
{
	char text[64 * 1024];
	char *save = NULL;

	health_read(run, "/proc/net/ipv6_route", text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (tl_str_starts(line, "00000000000000000000000000000000 00 ") &&
		    !tl_str_ends(line, " lo"))
			return true;
	return false;
}

/* The kernel's own finding, of its last attempt: 0x0 is a question without an answer, 0x2 complete
 * (linux/if_arp.h). Without an entry nobody has asked lately. */
static void tell_gateway(struct health_run *run, unsigned gateway)
{
	char text[32 * 1024], wanted[32], address[64];
	const unsigned char *byte = (const unsigned char *)&gateway;
	char *save = NULL;
	unsigned flags;

	snprintf(wanted, sizeof wanted, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);
	health_read(run, "/proc/net/arp", text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%63s %*s %x", address, &flags) == 2 && tl_streq(address, wanted))
			health_truth(run, "gateway_known", wanted, flags != 0,
				     flags ? NULL
					   : "The gateway does not answer on its own link (ARP)");
}

static void tell_routes(struct health_run *run)
{
	char interface[32];
	unsigned gateway = 0;
	bool found = find_default_route(run, interface, &gateway);

	health_truth(run, "default_route", NULL, found || has_default_route_6(run), NULL);
	if (found && gateway)
		tell_gateway(run, gateway);
}

/* Devices, bonds and bridges: what somebody has put up on purpose, not the ends of containers. */
static bool is_counted(const char *name)
{
	static const char *const others[] = {"lo",   "veth",   "tap", "vnet",
					     "cali", "docker", "br-", "virbr"};

	for (size_t i = 0; i < TL_ARRAY_LEN(others); i++)
		if (tl_str_starts(name, others[i]))
			return false;
	return true;
}

static void tell_link(struct health_run *run, const char *name)
{
	char path[128], text[32];
	bool is_down;

	snprintf(path, sizeof path, "/sys/class/net/%s/flags", name);
	health_read(run, path, text, sizeof text);
	if (!(strtoul(text, NULL, 16) & IFF_UP))
		return;
	snprintf(path, sizeof path, "/sys/class/net/%s/operstate", name);
	health_read(run, path, text, sizeof text);
	is_down = tl_str_starts(text, "down") || tl_str_starts(text, "lowerlayerdown");
	health_truth(run, "link_up", name, !is_down,
		     is_down ? "The interface is switched on, but its link is down" : NULL);
}

static void tell_interfaces(struct health_run *run)
{
	char text[64 * 1024], name[32];
	char *save = NULL;
	int count = 0;

	health_read(run, "/proc/net/dev", text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line && count < INTERFACES_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		double in_errors, in_drops, out_errors, out_drops;

		if (sscanf(line, " %31[^: ]: %*f %*f %lf %lf %*f %*f %*f %*f %*f %*f %lf %lf", name,
			   &in_errors, &in_drops, &out_errors, &out_drops) != 5 ||
		    !is_counted(name) || !tl_str_is_name(name, 31))
			continue;
		count++;
		tell_link(run, name);
		health_counter(run, "link_errors", "link_error_rate", name, in_errors + out_errors);
		health_counter(run, "link_drops", "link_drop_rate", name, in_drops + out_drops);
	}
}

struct ports {
	unsigned low, high;
	unsigned char used[8192]; /* a bit each */
	int64_t until_ms;
	bool is_cut;
};

/* " 0: 0100007F:9C40 0100007F:0016 01 …": number, local and remote address, state. */
static bool read_socket(const char *line, unsigned long *ret_port, unsigned long *ret_state)
{
	const char *local = strchr(line, ':');
	const char *port = local ? strchr(local + 1, ':') : NULL;
	const char *remote = port ? strchr(port, ' ') : NULL;
	const char *state = remote ? strchr(remote + 1, ' ') : NULL;

	if (!state)
		return false;
	*ret_port = strtoul(port + 1, NULL, 16);
	*ret_state = strtoul(state + 1, NULL, 16);
	return true;
}

/* Of the sockets in a table, the different local ports between low and high. Line by line: a busy server's
 * table is larger than all the rest of this process. */
static void mark_ports(const struct health_run *run, const char *path, struct ports *ports)
{
	char full[4096], line[512];
	unsigned long port, state;
	FILE *table = health_path(run, path, full) ? fopen(full, "re") : NULL;

	for (size_t i = 1; table && !ports->is_cut && fgets(line, sizeof line, table); i++) {
		if (read_socket(line, &port, &state) && state != 0x0A /* LISTEN */ &&
		    port >= ports->low && port <= ports->high)
			ports->used[port / 8] |= (unsigned char)(1u << (port % 8));
		ports->is_cut = i % 1024 == 0 && health_now_ms() >= ports->until_ms;
	}
	if (table)
		fclose(table);
}

static void tell_ports(struct health_run *run)
{
	struct ports ports = {.until_ms = health_now_ms() + SOCKETS_TIME_MAX_MS};
	char range[64];
	double count = 0;

	health_read(run, "/proc/sys/net/ipv4/ip_local_port_range", range, sizeof range);
	if (sscanf(range, "%u %u", &ports.low, &ports.high) != 2 || ports.high <= ports.low ||
	    ports.high > 65535)
		return;
	mark_ports(run, "/proc/net/tcp", &ports);
	mark_ports(run, "/proc/net/tcp6", &ports);
	for (size_t i = 0; i < sizeof ports.used; i++)
		count += __builtin_popcount(ports.used[i]);
	health_number(run, "ephemeral_ports_used_percent", NULL,
		      health_percent(count, ports.high - ports.low + 1),
		      ports.is_cut ? "At least: there are too many sockets to look at all" : NULL);
}

static void tell_connection_tracking(struct health_run *run)
{
	double count, max;

	if (health_read_number(run, "/proc/sys/net/netfilter/nf_conntrack_count", &count) &&
	    health_read_number(run, "/proc/sys/net/netfilter/nf_conntrack_max", &max))
		health_number(run, "conntrack_used_percent", NULL, health_percent(count, max),
			      NULL);
}

void health_probe_network(struct health_run *run)
{
	tell_routes(run);
	tell_interfaces(run);
	if (health_wanted(run, "ephemeral_ports_used_percent"))
		tell_ports(run);
	tell_connection_tracking(run);
}
