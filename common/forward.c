#include <towline/forward.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define LISTEN "listen:"
#define ADDRESS_LEN 16
#define ADDRESS_BITS 128
#define V4_BITS 96 /* of the prefix that IPv4 addresses have here: ::ffff:0:0/96 */

enum kind { KIND_ANY, KIND_NAME, KIND_BELOW, KIND_NET };

struct pattern {
	enum kind kind;
	bool listens, any_port;
	unsigned port;
	char name[TL_FORWARD_HOST_MAX + 1]; /* KIND_BELOW: with its leading dot */
	uint8_t address[ADDRESS_LEN];
	unsigned bits;
};

/* ---- addresses -------------------------------------------------------------------------------- */

/* IPv4 as ::ffff:a.b.c.d, so that one comparison serves both. */
static bool read_address(const char *text, uint8_t address[static ADDRESS_LEN], bool *ret_v4)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*ret_v4 = inet_pton(AF_INET, text, address + sizeof(mapped)) == 1;
	if (*ret_v4)
		memcpy(address, mapped, sizeof(mapped));
	return *ret_v4 || inet_pton(AF_INET6, text, address) == 1;
}

static bool of_sockaddr(const struct sockaddr *from, uint8_t address[static ADDRESS_LEN])
{
	char text[INET6_ADDRSTRLEN];
	bool v4;

	if (from->sa_family == AF_INET6) {
		memcpy(address, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       ADDRESS_LEN);
		return true;
	}
	return from->sa_family == AF_INET &&
	       inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr, text,
			 sizeof(text)) &&
	       read_address(text, address, &v4);
}

static bool is_within(const uint8_t *address, const uint8_t *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, net, whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

/* Networks that a name may not lead into: this machine, its link, and where clouds keep their metadata
 * and keys (RFC 6890 and the providers' documentation). */
static const struct {
	const char *address;
	unsigned bits; /* of an IPv4 address: of its 32 */
} special[] = {
	{"0.0.0.0", 8},	     {"100.100.100.200", 32}, {"127.0.0.0", 8}, {"168.63.129.16", 32},
	{"169.254.0.0", 16}, {"192.0.0.0", 24},	      {"224.0.0.0", 3}, {"::", 127},
	{"fd00:ec2::", 32},  {"fd20:ce::254", 128},   {"fe80::", 10},	{"fec0::", 10},
	{"ff00::", 8},
};

/* Does the whole network lie in one of them? */
static bool is_special_net(const uint8_t address[static ADDRESS_LEN], unsigned bits)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(special); i++) {
		uint8_t net[ADDRESS_LEN];
		bool v4;
		bool read = read_address(special[i].address, net, &v4);
		unsigned net_bits = special[i].bits + (v4 ? V4_BITS : 0);

		if (read && net_bits <= bits && is_within(address, net, net_bits))
			return true;
	}
	return false;
}

/* Where IPv6 carries an IPv4 address: from which byte on (RFC 4291 §2.5.5.1, 6052 §2.1, 3056 §2). */
static bool is_special(const uint8_t address[static ADDRESS_LEN])
{
	static const struct {
		const char *net;
		unsigned bits, at;
	} carriers[] = {{"::", 96, 12}, {"64:ff9b::", 96, 12}, {"2002::", 16, 2}};
	uint8_t net[ADDRESS_LEN], carried[ADDRESS_LEN];
	bool v4;

	if (is_special_net(address, ADDRESS_BITS))
		return true;
	for (size_t i = 0; i < TL_ARRAY_LEN(carriers); i++) {
		if (!read_address(carriers[i].net, net, &v4) ||
		    !is_within(address, net, carriers[i].bits) ||
		    !read_address("0.0.0.0", carried, &v4))
			continue;
		memcpy(carried + 12, address + carriers[i].at, 4);
		if (is_special_net(carried, ADDRESS_BITS))
			return true;
	}
	return false;
}

static bool is_loopback(const uint8_t address[static ADDRESS_LEN])
{
	static const uint8_t v6[ADDRESS_LEN] = {[15] = 1};
	static const uint8_t v4[ADDRESS_LEN] = {[10] = 0xff, [11] = 0xff, [12] = 127};

	return memcmp(address, v6, ADDRESS_LEN) == 0 || is_within(address, v4, V4_BITS + 8);
}

/* ---- patterns --------------------------------------------------------------------------------- */

static int refuse(const char *pattern, const char *why, struct tl_err *err)
{
	return tl_err_set(err, TL_EINVAL,
			  "\"%.*s\" is no place to forward to: %s (such as db-1.internal:5432, "
			  "*.internal:443, 10.0.0.0/8:22, [::1]:80, listen:localhost:8080)",
			  TL_FORWARD_PATTERN_MAX, pattern, why);
}

/* An address mistyped ("10.1", "0x7f.1") must not pass for a name: resolvers take it for an address. */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;

	return (*last >= '0' && *last <= '9' && strspn(last, "0123456789") == strlen(last)) ||
	       strncasecmp(last, "0x", 2) == 0;
}

static int read_net(const char *text, const char *host, struct pattern *pattern, struct tl_err *err)
{
	char address[64];
	const char *slash = strchr(host, '/');
	size_t len = slash ? (size_t)(slash - host) : strlen(host);
	uint64_t bits = 0;
	bool v4;

	if (len >= sizeof(address))
		return refuse(text, "its address is too long", err);
	memcpy(address, host, len);
	address[len] = '\0';
	if (!read_address(address, pattern->address, &v4))
		return refuse(text, "its address is none", err);
	if (!slash)
		bits = v4 ? 32 : 128;
	else if (tl_str_u64(slash + 1, v4 ? 32 : 128, &bits) != 0)
		return refuse(text, "its network is none", err);
	pattern->kind = KIND_NET;
	pattern->bits = (unsigned)bits + (v4 ? V4_BITS : 0);
	return 0;
}

static int read_host(const char *text, const char *host, bool bracketed, struct pattern *pattern,
		     struct tl_err *err)
{
	const char *name = tl_str_starts(host, "*.") ? host + 2 : host;
	uint8_t address[ADDRESS_LEN];
	bool v4;

	if (bracketed || strchr(host, '/') || read_address(host, address, &v4))
		return strchr(host, ':') && !bracketed
			       ? refuse(text, "an IPv6 address stands in brackets", err)
			       : read_net(text, host, pattern, err);
	if (tl_streq(host, "*")) {
		pattern->kind = KIND_ANY;
		return 0;
	}
	if (!tl_str_is_name(name, TL_FORWARD_HOST_MAX - 1) || ends_in_number(name))
		return refuse(text, "its host is neither a name nor an address", err);
	pattern->kind = name == host ? KIND_NAME : KIND_BELOW;
	strcpy(pattern->name, name == host ? host : host + 1);
	return 0;
}

static int read_port(const char *text, const char *port, struct pattern *pattern,
		     struct tl_err *err)
{
	uint64_t number = 0;

	pattern->any_port = tl_streq(port, "*");
	if (!pattern->any_port && (tl_str_u64(port, 65535, &number) != 0 || number == 0))
		return refuse(text, "its port is none", err);
	pattern->port = (unsigned)number;
	return 0;
}

static int read_pattern(const char *text, struct pattern *pattern, struct tl_err *err)
{
	char copy[TL_FORWARD_PATTERN_MAX + 1];
	char *host = copy, *colon;
	bool bracketed;
	int rc;

	*pattern = (struct pattern){.listens = tl_str_starts(text, LISTEN)};
	if (strlen(text) > TL_FORWARD_PATTERN_MAX)
		return refuse(text, "it is too long", err);
	strcpy(copy, text);
	host += pattern->listens ? strlen(LISTEN) : 0;
	colon = strrchr(host, ':');
	if (!colon || colon == host)
		return refuse(text, "it has no port", err);
	*colon = '\0';
	bracketed = host[0] == '[' && colon[-1] == ']';
	if (bracketed) {
		colon[-1] = '\0';
		host++;
	}
	rc = read_host(text, host, bracketed, pattern, err);
	if (rc == 0)
		rc = read_port(text, colon + 1, pattern, err);
	if (rc == 0 && pattern->listens &&
	    (pattern->kind == KIND_BELOW ||
	     (pattern->kind == KIND_NAME && strcasecmp(pattern->name, "localhost") != 0)))
		return refuse(text, "to listen takes an address, localhost or *", err);
	return rc;
}

int tl_forward_check(const char *pattern, struct tl_err *err)
{
	struct pattern parsed;

	return read_pattern(pattern, &parsed, err);
}

int tl_forward_check_all(const struct tl_strv *list, struct tl_err *err)
{
	if (list->count > TL_FORWARDS_MAX)
		return tl_err_set(err, TL_EINVAL, "a list has at most %d places to forward to",
				  TL_FORWARDS_MAX);
	for (size_t i = 0; i < list->count; i++) {
		int rc = tl_forward_check(list->items[i], err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- what is asked for ------------------------------------------------------------------------ */

/* What the connection is to: a name, or an address, or a name with the address that it resolved to. */
struct place {
	char name[TL_FORWARD_HOST_MAX + 1]; /* "" for an address */
	uint8_t address[ADDRESS_LEN];
	bool has_address;
	bool special; /* the address */
	unsigned port;
};

static bool read_place(const char *host, unsigned port, struct place *place)
{
	size_t len = strlen(host);
	bool v4;

	*place = (struct place){.port = port};
	if (port < 1 || port > 65535)
		return false;
	place->has_address = read_address(host, place->address, &v4);
	if (place->has_address) {
		place->special = is_special(place->address);
		return true;
	}
	if (len > 1 && host[len - 1] == '.') /* RFC 1034 §3.1: the root's dot */
		len--;
	if (len == 0 || len > TL_FORWARD_HOST_MAX)
		return false;
	memcpy(place->name, host, len);
	return tl_str_is_name(place->name, TL_FORWARD_HOST_MAX);
}

static bool is_named(const struct pattern *pattern, const char *name)
{
	size_t len = strlen(name), tail = strlen(pattern->name);

	if (pattern->kind == KIND_NAME)
		return strcasecmp(name, pattern->name) == 0;
	if (pattern->kind == KIND_BELOW)
		return len > tail && strcasecmp(name + len - tail, pattern->name) == 0;
	return pattern->kind == KIND_ANY;
}

/* RFC 6761 §6.3: the one name whose meaning is the loopback. */
static bool is_localhost(const struct pattern *pattern, const struct place *place)
{
	return pattern->kind == KIND_NAME && strcasecmp(pattern->name, "localhost") == 0 &&
	       strcasecmp(place->name, "localhost") == 0 && is_loopback(place->address);
}

struct verdict {
	bool named, addressed;
};

/* A network so wide that it happens to hold the loopback ("0.0.0.0/0") does not mean it. */
static bool is_addressed(const struct pattern *pattern, const struct place *place)
{
	return place->has_address && pattern->kind == KIND_NET &&
	       is_within(place->address, pattern->address, pattern->bits) &&
	       (!place->special || pattern->bits == ADDRESS_BITS ||
		is_special_net(pattern->address, pattern->bits));
}

static void judge(const struct pattern *pattern, const struct place *place, struct verdict *verdict)
{
	if (pattern->listens || (!pattern->any_port && pattern->port != place->port))
		return;
	verdict->addressed |= is_addressed(pattern, place);
	if (!place->name[0]) {
		verdict->named |=
			verdict->addressed || (pattern->kind == KIND_ANY && !place->special);
		return;
	}
	if (is_named(pattern, place->name)) {
		verdict->named = true;
		verdict->addressed |= place->has_address && is_localhost(pattern, place);
	}
}

static struct verdict judge_all(const struct tl_strv *list, const struct place *place)
{
	struct verdict verdict = {false, false};

	for (size_t i = 0; i < list->count; i++) {
		struct pattern pattern;

		if (read_pattern(list->items[i], &pattern, NULL) == 0)
			judge(&pattern, place, &verdict);
	}
	return verdict;
}

bool tl_forward_lists(const struct tl_strv *list, const char *host, unsigned port)
{
	struct place place;

	return read_place(host, port, &place) && judge_all(list, &place).named;
}

bool tl_forward_permits(const struct tl_strv *list, const char *host, unsigned port,
			const struct sockaddr *address, bool own)
{
	struct place place;
	struct verdict verdict;

	if (!read_place(host, port, &place) || !of_sockaddr(address, place.address))
		return false;
	place.has_address = true;
	place.special = is_special(place.address);
	verdict = judge_all(list, &place);
	return verdict.named && ((!own && !place.special) || verdict.addressed);
}

/* ---- listening -------------------------------------------------------------------------------- */

bool tl_forward_is_everywhere(const char *address)
{
	return address[0] == '\0' || tl_streq(address, "*") || tl_streq(address, "0.0.0.0") ||
	       tl_streq(address, "::");
}

static bool covers_listener(const struct pattern *pattern, const char *address)
{
	uint8_t wanted[ADDRESS_LEN];
	bool v4;

	if (pattern->kind == KIND_ANY || tl_forward_is_everywhere(address))
		return pattern->kind == KIND_ANY;
	if (strcasecmp(address, "localhost") == 0)
		address = "127.0.0.1";
	if (!read_address(address, wanted, &v4))
		return false;
	return pattern->kind == KIND_NAME ? is_loopback(wanted)
					  : is_within(wanted, pattern->address, pattern->bits);
}

bool tl_forward_may_listen(const struct tl_strv *list, const char *address, unsigned port)
{
	for (size_t i = 0; i < list->count; i++) {
		struct pattern pattern;

		if (read_pattern(list->items[i], &pattern, NULL) == 0 && pattern.listens &&
		    (pattern.any_port || pattern.port == port) && port <= 65535 &&
		    covers_listener(&pattern, address))
			return true;
	}
	return false;
}
