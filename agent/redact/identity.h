/* Pseudonyms: addresses, MAC addresses, host and user names, e-mail addresses and the site's own words
 * are found in a text and replaced by names that say nothing, yet stay equal for equal originals, inside
 * a bundle and across the bundles of one organisation.
 *
 * A pseudonym is made with HMAC-SHA-256 under the organisation's key. Its kind stays: a private address
 * stays in its private network, a public one becomes 240.0.0.0/4 (which nobody has) or 3fff::/20 (RFC
 * 9637), loopback, multicast and documentation addresses and netmasks stay as they are. Subnets stay
 * subnets: bit n of an address is flipped by a function of the key and the n bits before it (J. Xu, J. Fan,
 * M. Ammar, S. Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002; HMAC in place of AES), so
 * that two addresses share as many leading bits as their originals.
 *
 * Columns stay where they can: when two or more blanks follow, they are part of what is found, and the
 * pseudonym takes or gives blanks (one always stays). The map from pseudonyms to originals is kept on the
 * host alone (identity_map.h). One thread at a time. */
#ifndef TOWLINE_REDACT_IDENTITY_H
#define TOWLINE_REDACT_IDENTITY_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/str.h>

#define TL_IDENTITY_KEY_LEN 32
/* No identity is longer: a window's overlap has to be. */
#define TL_IDENTITY_LONGEST 512

enum tl_identity_class {
	TL_IDENTITY_IPV4,
	TL_IDENTITY_IPV6,
	TL_IDENTITY_MAC,
	TL_IDENTITY_HOST,
	TL_IDENTITY_USER,
	TL_IDENTITY_EMAIL,
	TL_IDENTITY_SITE,
	TL_IDENTITY_CLASSES
};

/* "ipv4", "ipv6", "mac", "host", "user", "email", "site": what reports count under. Static storage. */
const char *tl_identity_class_name(enum tl_identity_class class);

/* The names of this host, its people and its site. All are compared without case. */
struct tl_identity_names {
	struct tl_strv hosts;	 /* short names and FQDNs */
	struct tl_strv domains;	 /* every name that ends in one of them is a host's */
	struct tl_strv users;	 /* accounts of people */
	struct tl_strv persons;	 /* full names */
	struct tl_strv keywords; /* the site's: found inside of words too */
	struct tl_strv keep;	 /* never replaced */
};
void tl_identity_names_clear(struct tl_identity_names *names);
TL_DEFINE_AUTO(tl_identity_names, tl_identity_names_clear);

/* Adds what the host below `root` ("" for the running one) knows: its names and /etc/hosts, the domains
 * of /etc/resolv.conf, accounts from UID 1000, directories of /home. What cannot be read is left out. */
TL_MUST_CHECK int tl_identity_names_of_host(const char *root, struct tl_identity_names *names,
					    struct tl_err *err);
/* Adds the site's lists: a YAML mapping of hosts, domains, users, persons, keywords and keep. A missing file is
 * fine. TL_ECONFIG names file and line. */
TL_MUST_CHECK int tl_identity_names_of_site(const char *path, struct tl_identity_names *names,
					    struct tl_err *err);

struct tl_identities;
/* `names` is copied. The key is wiped by _free. */
TL_MUST_CHECK int tl_identities_new(const uint8_t key[static TL_IDENTITY_KEY_LEN],
				    const struct tl_identity_names *names,
				    struct tl_identities **ret_identities, struct tl_err *err);

/* What a collector needs, at once: the key of `state_dir` (made when there is none), this host's names, the
 * site's lists, and the map in `state_dir`. */
struct tl_identity_places {
	const char *state_dir;
	const char *site_file; /* NULL: none */
	const char *root;      /* "": this host */
	int map_fd; /* the map, open for appending, taken over; 0: it is opened in state_dir */
};
#define TL_IDENTITY_SITE_FILE "/etc/towline/identities.yaml"
TL_MUST_CHECK int tl_identities_open(const struct tl_identity_places *places,
				     struct tl_identities **ret_identities, struct tl_err *err);

/* Called for each identity, in order of `start`, disjoint. A negative result ends the search and is
 * returned by it. */
typedef int tl_identity_found(void *arg, enum tl_identity_class class, size_t start, size_t end);

/* Finds the identities of `text`, which is looked at as a whole: give whole lines, or windows that are
 * cut at blanks. 0, TL_ENOMEM, or what `found` returned. */
TL_MUST_CHECK int tl_identities_find(struct tl_identities *identities, const char *text, size_t len,
				     tl_identity_found *found, void *arg);

/* Appends the pseudonym of what was found (`text` is exactly text[start, end) of the find). 0, TL_ENOMEM or
 * TL_ETOOBIG of `out`. */
TL_MUST_CHECK int tl_identities_replace(struct tl_identities *identities,
					enum tl_identity_class class, const char *text, size_t len,
					struct tl_buf *out);

/* Find and replace over a short text that is no stream (a file name). */
TL_MUST_CHECK int tl_identities_text(struct tl_identities *identities, const char *text, size_t len,
				     struct tl_buf *out);

/* Appends what is new to the map, durably. Call in each process that replaced, before it ends. Without a
 * map (tl_identities_new) it does nothing. */
TL_MUST_CHECK int tl_identities_save(struct tl_identities *identities, struct tl_err *err);

/* The map's descriptor, for a process that closes all it does not need; -1: there is no map. */
int tl_identities_fd(const struct tl_identities *identities);

void tl_identities_free(struct tl_identities *identities);
TL_DEFINE_AUTO_PTR(tl_identities, tl_identities_free);

#endif
