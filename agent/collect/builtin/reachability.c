/* Who answers: gateways, name servers, a lookup as programs do it, the relay. Each try is short, and all
 * together end within the row's time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/dns_probe.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/probe.h"

#define TRY_MS 1000
#define PEERS_MAX 8 /* of each kind */
#define TEXT_MAX (256 * 1024)
#define WORDS 12
#define IDENTITY "/var/lib/towline-agent/identity.json"
#define DNS_PORT 53

/* A socket of ICMP that needs no privilege where net.ipv4.ping_group_range allows it. */
static json_t *ping(const struct collect_context *context, const struct in_addr *address)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr = *address};
	struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.sequence = htons(1)};
	struct pollfd polled = {.events = POLLIN};
	int64_t begun_ms = tl_clock_mono_ms(context->clock);
	tl_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0 ||
	    sendto(fd, &echo, sizeof echo, MSG_NOSIGNAL, (struct sockaddr *)&peer, sizeof peer) < 0)
		return json_pack("{s:s}", "error", strerrordesc_np(errno));
	polled.fd = fd;
	if (poll(&polled, 1, TRY_MS) <= 0 || recv(fd, &echo, sizeof echo, MSG_DONTWAIT) < 0)
		return json_pack("{s:b}", "answers", false);
	return json_pack("{s:b, s:I}", "answers", true, "ms",
			 (json_int_t)(tl_clock_mono_ms(context->clock) - begun_ms));
}

/* Whether the link knows the gateway, by /proc/net/arp: flag 2 is an answer that came. */
static void add_neighbour(const struct collect_context *context, const char *address, json_t *facts)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TEXT_MAX);
	char *rest, *line, *words[WORDS];

	snapshot_load(context, "/proc/net/arp", &text);
	rest = text.data;
	while (rest && (line = snapshot_line(&rest)))
		if (snapshot_words(line, words, WORDS) >= 4 && tl_streq(words[0], address))
			json_object_set_new(facts, "neighbour_known",
					    json_boolean(strtoul(words[2], NULL, 16) & 2));
}

/* "eth0 00000000 0102A8C0 0003 …": default routes by /proc/net/route, addresses in hexadecimal. */
static void try_gateways(const struct collect_context *context, json_t *items)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TEXT_MAX);
	char *rest, *line, *words[WORDS], name[96], address[INET_ADDRSTRLEN];
	int count = 0;

	snapshot_load(context, "/proc/net/route", &text);
	rest = text.data;
	while (rest && count < PEERS_MAX && (line = snapshot_line(&rest))) {
		struct in_addr gateway;
		json_t *facts;

		if (snapshot_words(line, words, WORDS) < 8 || !tl_streq(words[1], "00000000") ||
		    !tl_streq(words[7], "00000000"))
			continue;
		gateway.s_addr = (in_addr_t)strtoul(words[2], NULL, 16);
		if (gateway.s_addr == 0 || !inet_ntop(AF_INET, &gateway, address, sizeof address))
			continue;
		snprintf(name, sizeof name, "gateway %s %.20s", address, words[0]);
		facts = ping(context, &gateway);
		add_neighbour(context, address, facts);
		snapshot_add(items, name, facts);
		count++;
	}
}

static bool read_server(const char *text, struct sockaddr_storage *ret_server, socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;

	if (getaddrinfo(text, "53", &hints, &found) != 0)
		return false;
	memcpy(ret_server, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static json_t *try_server(const struct collect_context *context, const char *text)
{
	struct sockaddr_storage server;
	socklen_t len;
	struct dns_probe_result result;

	if (!read_server(text, &server, &len))
		return json_pack("{s:s}", "error", "it is no address");
	dns_probe((struct sockaddr *)&server, len, context->clock, TRY_MS, &result);
	if (result.rcode >= 0)
		return json_pack("{s:b, s:i, s:I}", "answers", true, "rcode", result.rcode, "ms",
				 (json_int_t)result.ms);
	return json_pack("{s:b, s:s}", "answers", false, "error",
			 result.sys_errno ? strerrordesc_np(result.sys_errno) : "no answer");
}

static void try_name_servers(const struct collect_context *context, json_t *items)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TEXT_MAX);
	char *rest, *line, *words[WORDS], name[96];
	int count = 0;

	snapshot_load(context, "/etc/resolv.conf", &text);
	rest = text.data;
	while (rest && count < PEERS_MAX && (line = snapshot_line(&rest))) {
		if (snapshot_words(line, words, WORDS) < 2 || !tl_streq(words[0], "nameserver"))
			continue;
		snprintf(name, sizeof name, "name-server %.64s", words[1]);
		snapshot_add(items, name, try_server(context, words[1]));
		count++;
	}
}

/* Host and port of "https://HOST[:PORT][/…]". */
static bool relay_of(const struct collect_context *context, char host[static 256],
		     char port[static 8])
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TEXT_MAX);
	tl_json *identity = NULL;
	const char *url;

	if (snapshot_load(context, IDENTITY, &text) == 0 ||
	    tl_json_parse(text.data, text.len, &identity, NULL) < 0)
		return false;
	url = json_string_value(json_object_get(identity, "url"));
	snprintf(port, 8, "443");
	if (!url || !tl_str_starts(url, "https://"))
		return false;
	return sscanf(url, "https://[%255[^]]]:%7[0-9]", host, port) >= 1 ||
	       sscanf(url, "https://%255[^:/]:%7[0-9]", host, port) >= 1;
}

/* A lookup as any program does it, in a thread that may be left behind: nothing of it is on the stack. */
struct lookup {
	char host[256], port[8];
	struct addrinfo hints;
	struct gaicb request;
};

static struct lookup own_lookup, relay_lookup;

static struct addrinfo *look_up(struct lookup *lookup, int *ret_code)
{
	const struct gaicb *waited[] = {&lookup->request};
	struct gaicb *list[] = {&lookup->request};
	struct timespec most = {.tv_sec = 2 * TRY_MS / 1000};

	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->request = (struct gaicb){.ar_name = lookup->host,
					 .ar_service = lookup->port,
					 .ar_request = &lookup->hints};
	*ret_code = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (*ret_code != 0)
		return NULL;
	gai_suspend(waited, 1, &most);
	*ret_code = gai_error(&lookup->request);
	return *ret_code == 0 ? lookup->request.ar_result : NULL;
}

static struct addrinfo *try_lookup(const struct collect_context *context, struct lookup *lookup,
				   const char *name, json_t *items)
{
	int64_t begun_ms = tl_clock_mono_ms(context->clock);
	int code;
	struct addrinfo *found = look_up(lookup, &code);

	snapshot_add(items, name,
		     json_pack("{s:o, s:b, s:I, s:s*}", "host", snapshot_text(lookup->host),
			       "answers", code == 0, "ms",
			       (json_int_t)(tl_clock_mono_ms(context->clock) - begun_ms), "error",
			       code ? gai_strerror(code) : NULL));
	return found;
}

/* The host's own name: what does not know itself makes many a program slow. */
static void try_own_name(const struct collect_context *context, json_t *items)
{
	struct addrinfo *found;

	if (context->root[0] || gethostname(own_lookup.host, sizeof own_lookup.host - 1) < 0)
		return;
	found = try_lookup(context, &own_lookup, "lookup own name", items);
	if (found)
		freeaddrinfo(found);
}

/* 0 when connected, else errno. */
static int connect_within(int fd, const struct addrinfo *address, int timeout_ms)
{
	struct pollfd polled = {.fd = fd, .events = POLLOUT};
	int fault = 0;
	socklen_t len = sizeof fault;

	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&polled, 1, timeout_ms) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) < 0 ? errno : fault;
}

static json_t *try_address(const struct collect_context *context, const struct addrinfo *address)
{
	int64_t begun_ms = tl_clock_mono_ms(context->clock);
	tl_fd int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int fault = fd < 0 ? errno : connect_within(fd, address, 2 * TRY_MS);
	bool ipv6 = address->ai_family == AF_INET6;
	int mtu = 0;
	socklen_t len = sizeof mtu;
	json_t *facts;

	if (fault)
		return json_pack("{s:b, s:s}", "answers", false, "error", strerrordesc_np(fault));
	facts = json_pack("{s:b, s:I}", "answers", true, "ms",
			  (json_int_t)(tl_clock_mono_ms(context->clock) - begun_ms));
	/* what the kernel holds for the path's largest packet */
	if (getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_MTU : IP_MTU, &mtu,
		       &len) == 0)
		json_object_set_new(facts, "path_mtu", json_integer(mtu));
	return facts;
}

static void try_relay(const struct collect_context *context, json_t *items)
{
	char name[INET6_ADDRSTRLEN + 40], text[INET6_ADDRSTRLEN];
	struct addrinfo *found;
	int count = 0;

	if (!relay_of(context, relay_lookup.host, relay_lookup.port))
		return;
	found = try_lookup(context, &relay_lookup, "lookup relay", items);
	for (const struct addrinfo *at = found; at && count < 4; at = at->ai_next, count++) {
		if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0,
				NI_NUMERICHOST) != 0)
			continue;
		snprintf(name, sizeof name, "relay %s port %s", text, relay_lookup.port);
		snapshot_add(items, name, try_address(context, at));
	}
	if (found)
		freeaddrinfo(found);
}

int collect_reachability(struct collect_context *context, struct tl_err *err)
{
	static void (*const tries[])(const struct collect_context *,
				     json_t *) = {try_gateways, try_name_servers, try_own_name,
						  try_relay};
	tl_json *items = json_array();

	for (size_t i = 0; i < TL_ARRAY_LEN(tries); i++) {
		int r = interrupt_check(err);

		if (r < 0)
			return r;
		if (!collect_expired(context, "reachability"))
			tries[i](context, items);
	}
	return snapshot_write(context, "reachability", items, err);
}

int collect_relay_tls(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;
	struct collector probe = *row;
	char host[256], port[8], address[272];
	const char *sources[] = {address, NULL};
	int r;

	if (!relay_of(context, host, port)) {
		context->outcome = "absent";
		return 0;
	}
	snprintf(address, sizeof address, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	probe.sources = sources;
	context->row = &probe;
	r = collect_tls(context, err);
	context->row = row;
	return r;
}
