/* Interfaces as typed facts: /sys/class/net, and their addresses by getifaddrs(3). */
#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/kernel.h"

#define INTERFACES_MAX 1000

static const char *const texts[] = {"operstate", "duplex", "address", "ifalias"};
static const struct {
	const char *file, *member;
} numbers[] = {
	{"mtu", "mtu"},
	{"speed", "speed_mbit"},
	{"carrier_changes", "carrier_changes"},
	{"tx_queue_len", "queue_length"},
	{"statistics/rx_bytes", "rx_bytes"},
	{"statistics/rx_dropped", "rx_dropped"},
	{"statistics/rx_errors", "rx_errors"},
	{"statistics/tx_bytes", "tx_bytes"},
	{"statistics/tx_dropped", "tx_dropped"},
	{"statistics/tx_errors", "tx_errors"},
};

static int prefix_length(const struct sockaddr *mask)
{
	const uint8_t *bytes =
		mask->sa_family == AF_INET6
			? ((const struct sockaddr_in6 *)mask)->sin6_addr.s6_addr
			: (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
	size_t len = mask->sa_family == AF_INET6 ? 16 : 4;
	int bits = 0;

	for (size_t i = 0; i < len; i++)
		bits += __builtin_popcount(bytes[i]);
	return bits;
}

static void add_address(json_t *addresses, const struct ifaddrs *at)
{
	const struct sockaddr *address = at->ifa_addr;
	char text[INET6_ADDRSTRLEN], full[INET6_ADDRSTRLEN + 16];
	const void *bytes =
		address->sa_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
			: (const void *)&((const struct sockaddr_in *)address)->sin_addr;

	if (!at->ifa_netmask || !inet_ntop(address->sa_family, bytes, text, sizeof text))
		return;
	snprintf(full, sizeof full, "%s/%d", text, prefix_length(at->ifa_netmask));
	json_array_append_new(addresses, json_string(full));
}

static json_t *addresses_of(const struct ifaddrs *list, const char *name)
{
	json_t *addresses = json_array();

	for (const struct ifaddrs *at = list; at; at = at->ifa_next)
		if (tl_streq(at->ifa_name, name) && at->ifa_addr &&
		    (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6))
			add_address(addresses, at);
	return addresses;
}

static void add_link(const struct collect_context *context, json_t *interface, const char *name,
		     const char *file, const char *member)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof path, "%s/sys/class/net/%s/%s", context->root, name, file);
	len = readlink(path, target, sizeof target - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	json_object_set_new(interface, member,
			    snapshot_text(strrchr(target, '/') ? strrchr(target, '/') + 1
							       : target));
}

static json_t *describe(const struct collect_context *context, const char *name,
			const struct ifaddrs *list)
{
	json_t *interface = json_object();
	char path[PATH_MAX], text[256];
	int64_t number;

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, texts[i]);
		kernel_read(context, path, text, sizeof text);
		if (text[0])
			json_object_set_new(interface, texts[i], snapshot_text(text));
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(numbers); i++) {
		snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, numbers[i].file);
		if (snapshot_number(context, path, &number))
			json_object_set_new(interface, numbers[i].member, json_integer(number));
	}
	add_link(context, interface, name, "device/driver", "driver");
	add_link(context, interface, name, "master", "master");
	json_object_set_new(interface, "addresses", addresses_of(list, name));
	return interface;
}

int collect_interfaces(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	char path[PATH_MAX];
	struct dirent **entries = NULL;
	struct ifaddrs *list = NULL;
	int count;

	snprintf(path, sizeof path, "%s/sys/class/net", context->root);
	count = scandir(path, &entries, NULL, alphasort);
	if (!context->root[0] && getifaddrs(&list) < 0)
		collect_note(context, "/sys/class/net", "failed", "addresses cannot be had");
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (name[0] != '.' && i < INTERFACES_MAX && !tl_streq(name, "bonding_masters"))
			snapshot_add(items, name, describe(context, name, list));
		free(entries[i]);
	}
	free(entries);
	freeifaddrs(list);
	return snapshot_write(context, "interfaces", items, err);
}
