#include "stage.h"

#include <netdb.h>
#include <unistd.h>

static int resolved; /* what name service gives; -1: nothing, for ever */

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret_found);
int __wrap_getaddrinfo(const char *name TL_UNUSED, const char *service TL_UNUSED,
		       const struct addrinfo *hints TL_UNUSED, struct addrinfo **ret_found)
{
	while (resolved == -1)
		pause();
	*ret_found = NULL;
	return resolved;
}

void __wrap_freeaddrinfo(struct addrinfo *found);
void __wrap_freeaddrinfo(struct addrinfo *found TL_UNUSED)
{
}

#define ROUTES "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
#define LOCAL_ROUTE "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#define DEFAULT_ROUTE "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define ARP "IP address HW type Flags HW address Mask Device\n"

static void a_host_without_default_route_is_warned_of(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/net/route", ROUTES LOCAL_ROUTE);
	stage_take(stage);
	assert_verdict(stage, "default_route", NULL, "warning");
	assert_no_fact(stage, "gateway_known");
	stage_file(stage, "/proc/net/route", ROUTES LOCAL_ROUTE DEFAULT_ROUTE);
	stage_take(stage);
	assert_verdict(stage, "default_route", NULL, "ok");
}

static void a_default_route_of_ipv6_is_one(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/net/ipv6_route",
		   "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		   "fe800000000000000000000000000001 00000400 00000001 00000000 00450003     "
		   "eth0\n");
	stage_take(stage);
	assert_verdict(stage, "default_route", NULL, "ok");
}

static void a_gateway_that_does_not_answer_arp_is_warned_of(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/net/route", ROUTES DEFAULT_ROUTE);
	stage_file(stage, "/proc/net/arp", ARP "10.0.0.1 0x1 0x2 aa:bb:cc:00:00:01 * eth0\n");
	stage_take(stage);
	assert_verdict(stage, "gateway_known", "10.0.0.1", "ok");
	stage_file(stage, "/proc/net/arp", ARP "10.0.0.1 0x1 0x0 00:00:00:00:00:00 * eth0\n");
	stage_take(stage);
	assert_verdict(stage, "gateway_known", "10.0.0.1", "warning");
	stage_file(stage, "/proc/net/arp", ARP);
	stage_take(stage);
	assert_no_fact(stage, "gateway_known");
}

#define DEV \
	"Inter-|   Receive                                                |  Transmit\n" \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs " \
	"drop fifo colls carrier compressed\n"

static void interfaces(const struct stage *stage, int errors)
{
	stage_file(stage, "/proc/net/dev",
		   DEV "    lo: 1 1 9 9 0 0 0 0 1 1 9 9 0 0 0 0\n"
		       "  eth0: 1 1 %d 3 0 0 0 0 1 1 2 4 0 0 0 0\n"
		       "veth12: 1 1 9 9 0 0 0 0 1 1 9 9 0 0 0 0\n",
		   errors);
}

static void an_interface_that_is_on_and_down_is_warned_of(void **state)
{
	struct stage *stage = *state;

	interfaces(stage, 0);
	stage_file(stage, "/sys/class/net/eth0/flags", "0x1003\n");
	stage_file(stage, "/sys/class/net/eth0/operstate", "down\n");
	stage_take(stage);
	assert_verdict(stage, "link_up", "eth0", "warning");
	stage_file(stage, "/sys/class/net/eth0/operstate", "up\n");
	stage_take(stage);
	assert_verdict(stage, "link_up", "eth0", "ok");
	stage_file(stage, "/sys/class/net/eth0/flags", "0x1002\n");
	stage_take(stage);
	assert_no_fact(stage, "link_up");
}

static void errors_are_judged_by_their_rate(void **state)
{
	struct stage *stage = *state;
	tl_json *previous = NULL;

	interfaces(stage, 0);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "link_errors", "eth0"), 2, 0);
	assert_float_equal(stage_number(stage, "link_drops", "eth0"), 7, 0);
	assert_null(stage_find(stage, "link_errors", "lo"));
	assert_null(stage_find(stage, "link_errors", "veth12"));
	previous = json_incref(stage->snapshot);
	stage->options.previous = previous;
	tl_clock_fake_advance(&stage->clock, 60000);
	interfaces(stage, 60);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "link_error_rate", "eth0"), 1, 0.001);
	assert_verdict(stage, "link_error_rate", "eth0", "warning");
	assert_verdict(stage, "link_drop_rate", "eth0", "ok");
}

static void used_ports_are_counted_once_and_listeners_not(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/net/ipv4/ip_local_port_range", "40000\t40009\n");
	stage_file(stage, "/proc/net/tcp",
		   "  sl  local_address rem_address   st\n"
		   "   0: 0100007F:9C40 0100007F:0016 01 00000000:00000000\n"
		   "   1: 0100007F:9C40 0200007F:0016 01 00000000:00000000\n"
		   "   2: 00000000:9C41 00000000:0000 0A 00000000:00000000\n"
		   "   3: 0100007F:0016 0100007F:9C40 01 00000000:00000000\n");
	stage_file(stage, "/proc/net/tcp6",
		   "  sl\n   0: 00000000000000000000000001000000:9C45 "
		   "00000000000000000000000001000000:0016 06 00000000:00000000\n");
	stage_take(stage);
	assert_float_equal(stage_number(stage, "ephemeral_ports_used_percent", NULL), 20, 0.001);
	assert_verdict(stage, "ephemeral_ports_used_percent", NULL, "ok");
}

static void connection_tracking_that_fills_up_is_seen(void **state)
{
	struct stage *stage = *state;

	stage_take(stage);
	assert_no_fact(stage, "conntrack_used_percent");
	stage_file(stage, "/proc/sys/net/netfilter/nf_conntrack_count", "960\n");
	stage_file(stage, "/proc/sys/net/netfilter/nf_conntrack_max", "1000\n");
	stage_take(stage);
	assert_verdict(stage, "conntrack_used_percent", NULL, "critical");
}

static void the_relays_name_is_resolved(void **state)
{
	struct stage *stage = *state;

	stage->agent.relay_host = "relay.example.org";
	resolved = 0;
	stage_take(stage);
	assert_verdict(stage, "dns_resolves", "relay.example.org", "ok");
	assert_verdict(stage, "dns_time", "relay.example.org", "ok");
	resolved = EAI_NONAME;
	stage_take(stage);
	assert_verdict(stage, "dns_resolves", "relay.example.org", "critical");
	assert_no_fact(stage, "dns_time");
}

static void an_address_needs_no_name_service(void **state)
{
	struct stage *stage = *state;

	stage->agent.relay_host = "192.0.2.7";
	resolved = -1;
	stage_take(stage);
	assert_no_fact(stage, "dns_resolves");
}

static void name_service_that_is_silent_costs_the_deadline_only(void **state)
{
	struct stage *stage = *state;

	stage->agent.relay_host = "relay.example.org";
	stage->options.deadline_ms = 50;
	resolved = -1;
	stage_take(stage);
	assert_verdict(stage, "dns_resolves", "relay.example.org", "critical");
	assert_text(stage, "dns_resolves", "relay.example.org", "in time");
}

static void the_owners_names_are_asked_instead(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/towline/health.yaml", "names: [intranet.example.org]\n");
	stage_file(stage, "/etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
	stage->agent.relay_host = "relay.example.org";
	resolved = 0;
	stage_take(stage);
	assert_non_null(stage_find(stage, "dns_resolves", "intranet.example.org"));
	assert_null(stage_find(stage, "dns_resolves", "relay.example.org"));
	assert_float_equal(stage_number(stage, "dns_servers", NULL), 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(a_host_without_default_route_is_warned_of),
		STAGE_TEST(a_default_route_of_ipv6_is_one),
		STAGE_TEST(a_gateway_that_does_not_answer_arp_is_warned_of),
		STAGE_TEST(an_interface_that_is_on_and_down_is_warned_of),
		STAGE_TEST(errors_are_judged_by_their_rate),
		STAGE_TEST(used_ports_are_counted_once_and_listeners_not),
		STAGE_TEST(connection_tracking_that_fills_up_is_seen),
		STAGE_TEST(the_relays_name_is_resolved),
		STAGE_TEST(an_address_needs_no_name_service),
		STAGE_TEST(name_service_that_is_silent_costs_the_deadline_only),
		STAGE_TEST(the_owners_names_are_asked_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
