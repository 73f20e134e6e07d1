/* Who this host is: facts that no single file holds. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "collect/builtin/snapshot.h"
#include "collect/builtin/virtualization.h"
#include "collect/collector.h"
#include "collect/kernel.h"

#define ZONEINFO "/zoneinfo/"

/* The zone's name, from where /etc/localtime leads; "UTC" where it leads nowhere. */
static void read_zone(const struct collect_context *context, char zone[static PATH_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof path, "%s/etc/localtime", context->root);
	len = readlink(path, target, sizeof target - 1);
	target[len > 0 ? len : 0] = '\0';
	name = strstr(target, ZONEINFO);
	snprintf(zone, PATH_MAX, "%s", name ? name + strlen(ZONEINFO) : "UTC");
}

static const struct {
	const char *member, *path;
} identity_files[] = {
	{"boot_id", "/proc/sys/kernel/random/boot_id"},
	{"kernel_command_line", "/proc/cmdline"},
	{"product", "/sys/class/dmi/id/product_name"},
	{"vendor", "/sys/class/dmi/id/sys_vendor"},
};

int collect_identity(struct collect_context *context, struct tl_err *err)
{
	struct utsname names = {.sysname = ""};
	char text[4096], zone[PATH_MAX], now[TL_TIME_TEXT], container[32];
	tl_json *facts = json_object();

	uname(&names);
	read_zone(context, zone);
	tl_time_rfc3339(tl_clock_wall_ms(context->clock), now);
	json_object_set_new(facts, "schema", json_integer(1));
	json_object_set_new(facts, "host", snapshot_text(names.nodename));
	json_object_set_new(facts, "kernel", snapshot_text(names.release));
	json_object_set_new(facts, "kernel_build", snapshot_text(names.version));
	json_object_set_new(facts, "architecture", snapshot_text(names.machine));
	json_object_set_new(facts, "time_zone", snapshot_text(zone));
	json_object_set_new(facts, "time", json_string(now));
	json_object_set_new(facts, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	virtualization_container(context, container);
	json_object_set_new(facts, "container", snapshot_text(container));
	json_object_set_new(facts, "virtual_machine", json_string(virtualization_machine(context)));
	for (size_t i = 0; i < TL_ARRAY_LEN(identity_files); i++) {
		kernel_read(context, identity_files[i].path, text, sizeof text);
		if (text[0])
			json_object_set_new(facts, identity_files[i].member, snapshot_text(text));
	}
	return collect_member_json(context, "snapshot/identity.json", facts, err);
}
