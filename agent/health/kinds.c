#include <towline/str.h>

#include "health/health.h"

#define NUMBER TL_HEALTH_NUMBER
#define COUNTER TL_HEALTH_COUNTER
#define TRUTH TL_HEALTH_TRUTH
#define WORD TL_HEALTH_WORD

/* The three windows of one line of /proc/pressure. */
#define PRESSURE(resource, kind, label) \
	{resource "_pressure_" kind "_10s", "pressure", NUMBER, "%", label ", 10 s"}, \
		{resource "_pressure_" kind "_60s", "pressure", NUMBER, "%", label ", 60 s"}, \
	{ \
		resource "_pressure_" kind "_300s", "pressure", NUMBER, "%", label ", 5 min" \
	}

const struct tl_health_kind tl_health_kinds[] = {
	{"load_1m", "load", NUMBER, "1", "Load, 1 min"},
	{"load_5m", "load", NUMBER, "1", "Load, 5 min"},
	{"load_15m", "load", NUMBER, "1", "Load, 15 min"},
	{"load_per_processor_5m", "load", NUMBER, "1", "Load per processor, 5 min"},
	{"processors", "load", NUMBER, "1", "Processors"},
	{"uptime", "load", NUMBER, "s", "Up for"},
	PRESSURE("cpu", "some", "Some wait for a processor"),
	PRESSURE("memory", "some", "Some wait for memory"),
	PRESSURE("memory", "full", "All wait for memory"),
	PRESSURE("io", "some", "Some wait for disks"),
	PRESSURE("io", "full", "All wait for disks"),
	{"memory_total", "memory", NUMBER, "By", "Memory"},
	{"memory_available", "memory", NUMBER, "By", "Memory available"},
	{"memory_available_percent", "memory", NUMBER, "%", "Memory available"},
	{"swap_total", "memory", NUMBER, "By", "Swap"},
	{"swap_used_percent", "memory", NUMBER, "%", "Swap used"},
	{"swapped_in", "memory", COUNTER, "By", "Read from swap since boot"},
	{"swapped_out", "memory", COUNTER, "By", "Written to swap since boot"},
	{"swap_in_rate", "memory", NUMBER, "By/s", "Read from swap"},
	{"swap_out_rate", "memory", NUMBER, "By/s", "Written to swap"},
	{"oom_kills", "memory", COUNTER, "1", "Processes killed for lack of memory since boot"},
	{"oom_kills_recent", "memory", NUMBER, "1", "Processes killed for lack of memory lately"},
	{"disk_size", "storage", NUMBER, "By", "Disk size"},
	{"disk_free", "storage", NUMBER, "By", "Disk space free"},
	{"disk_used_percent", "storage", NUMBER, "%", "Disk space used"},
	{"inodes_used_percent", "storage", NUMBER, "%", "Inodes used"},
	{"mount_responds", "storage", TRUTH, "1", "Network file system answers"},
	{"mounted_read_only", "storage", TRUTH, "1", "Read-only against fstab"},
	{"raid_missing_disks", "storage", NUMBER, "1", "Disks missing from a RAID"},
	{"system_state", "services", WORD, "1", "Services as a whole"},
	{"failed_units", "services", NUMBER, "1", "Failed units"},
	{"unit_failed", "services", TRUTH, "1", "Unit has failed"},
	{"unit_restarts", "services", NUMBER, "1", "Restarts of a service by itself"},
	{"clock_synchronised", "time", TRUTH, "1", "Clock is synchronised"},
	{"clock_error", "time", NUMBER, "s", "Clock's estimated error"},
	{"clock_skew", "time", NUMBER, "s", "Clock differs from the relay's"},
	{"certificate_expires", "certificates", NUMBER, "s", "Certificate expires in"},
	{"dns_servers", "names", NUMBER, "1", "Name servers configured"},
	{"dns_resolves", "names", TRUTH, "1", "Name is resolved"},
	{"dns_time", "names", NUMBER, "s", "Name resolved within"},
	{"default_route", "network", TRUTH, "1", "There is a default route"},
	{"gateway_known", "network", TRUTH, "1", "Gateway answers on its link"},
	{"link_up", "network", TRUTH, "1", "Link is up"},
	{"link_errors", "network", COUNTER, "1", "Errors of an interface since boot"},
	{"link_drops", "network", COUNTER, "1", "Packets dropped by an interface since boot"},
	{"link_error_rate", "network", NUMBER, "/s", "Errors of an interface"},
	{"link_drop_rate", "network", NUMBER, "/s", "Packets dropped by an interface"},
	{"ephemeral_ports_used_percent", "network", NUMBER, "%", "Local ports used"},
	{"conntrack_used_percent", "network", NUMBER, "%", "Connection tracking used"},
	{"open_files_percent", "kernel", NUMBER, "%", "Open files, of the system's limit"},
	{"threads_percent", "kernel", NUMBER, "%", "Processes and threads, of the limit"},
	{"kernel_taint", "kernel", NUMBER, "1", "Kernel taint"},
	{"kernel_trouble", "kernel", TRUTH, "1", "Kernel has reported a fault"},
	{"reboot_pending", "kernel", TRUTH, "1", "Reboot is pending"},
	{"processes", "processes", NUMBER, "1", "Processes"},
	{"zombies", "processes", NUMBER, "1", "Zombies"},
	{"blocked_processes", "processes", NUMBER, "1", "Processes in uninterruptible sleep"},
	{"temperature", "sensors", NUMBER, "Cel", "Highest temperature"},
	{"battery", "sensors", NUMBER, "%", "Battery charge"},
	{"updates_pending", "packages", NUMBER, "1", "Updates pending"},
	{"security_updates_pending", "packages", NUMBER, "1", "Security updates pending"},
	{"package_lists_age", "packages", NUMBER, "s", "Package lists are from"},
	{"last_package_change", "packages", NUMBER, "s", "Last package change"},
	{"changed_configuration_files", "drift", NUMBER, "1",
	 "Packages' files in /etc changed here"},
	{"thresholds_valid", "agent", TRUTH, "1", "The owner's thresholds are valid"},
	{"queue_items", "agent", NUMBER, "1", "Requests waiting for the relay"},
};
const size_t tl_health_kind_count = TL_ARRAY_LEN(tl_health_kinds);

const struct tl_health_kind *tl_health_kind(const char *name)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(tl_health_kinds); i++)
		if (tl_streq(tl_health_kinds[i].name, name))
			return &tl_health_kinds[i];
	return NULL;
}

static const char *const verdicts[] = {NULL, "ok", "unknown", "warning", "critical"};

const char *tl_health_verdict_name(enum tl_health_verdict verdict)
{
	return verdicts[verdict];
}

enum tl_health_verdict tl_health_verdict_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "verdict"));

	for (size_t i = 1; i < TL_ARRAY_LEN(verdicts); i++)
		if (tl_streq(verdicts[i], name))
			return (enum tl_health_verdict)i;
	return TL_HEALTH_NONE;
}
