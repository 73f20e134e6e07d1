/* Which texts hold identities and which only look so: one row each. A find stands in braces. */
#include <string.h>
#include <towline/str.h>

#include "../common/tests.h"
#include "identity_sample.h"

static const char *const rows[] = {
	/* IPv4 */
	"listening on {10.0.0.1}:8080",
	"from {192.168.1.5}, to {172.16.9.9}.",
	"inet {10.1.2.3/24} brd {10.1.2.255} scope global",
	"({8.8.8.8})",
	"rhost={203.0.114.7}  user=x",
	"{203.0.114.7}/443",
	"route {10.9.0.0}/255.255.0.0",
	"abc-{10.0.0.1}",
	"abc-{185.199.108.153}",
	"node-{34.120.5.6}.prod",
	"ip-{10-1-2-3}.eu-west-1.compute.internal",
	"ec2-{54-12-3-4}.compute.amazonaws.com",
	"dhcp-{192-168-1-77}",
	"worker-{10-1-2-3}",
	"{10-244-0-5}.default.pod.cluster",
	"{4.3.2.11.in-addr.arpa} PTR",
	"{3.168.192.in-addr.arpa}.",
	"{10.0.0.5}-{10.0.0.20}",
	"nmap {10.0.0.5}-20",
	"IP {10.0.0.1}.443 > {10.0.0.2}.51234: Flags [P.]",
	"http://{10.2.3.4}/x",
	"https://{alice}:x@{34.120.5.6}:8443/",
	"\"addr\":\"{100.64.3.4}\"",
	"/var/log/remote/{10.0.0.9}/messages",
	"/var/log/remote/{34.120.5.6}/messages",
	"udp/{10.0.0.9}",
	"{10.0.0.9}.log",
	"{010.001.002.003}",
	"root@{34.120.5.6}",
	"ssh://{34.120.5.6}",
	"{34.120.5.6}\t{34.120.5.7}",
	"peer {169.254.10.20}",
	"nameserver {1.1.1.1}",
	"[{34.120.5.6}]:22",
	"src={34.120.5.6} dst={10.0.0.2} sport=1",
	"{10.0.0.1}_443",
	"OR {1.2.3.4}; 5",
	"last 3 {10.0.0.1}    up",
	"  1: {0501A8C0}:0016 00000000:0000 0A",
	"  1: 0100007F:0016 {0501A8C0}:D3F2 01",
	"eth0\t00000000\t{0101A8C0}\t0003\t0",
	"eth0\t{0001A8C0}\t00000000\t0001\t0",
	/* none */
	"at 12:34:56",
	"127.0.0.1:22",
	"0.0.0.0/0",
	"netmask 255.255.255.0",
	"broadcast 255.255.255.255",
	"group 224.0.0.251",
	"doc 192.0.2.1 198.51.100.2 203.0.113.3",
	"pseudonym 240.1.2.3",
	"version 10.2.3.4",
	"Version: 1.2.3.4",
	"\"version\": \"1.2.3.4\"",
	"Assembly, Version=4.0.0.0, Culture",
	"v1.2.3.4",
	"firmware version: 10.2.3.4",
	"ver. 1.2.3.4.5",
	"1.2.3.4-1",
	"1.2.3.4-1ubuntu3",
	"10.2.3.4-1",
	"1.2.3.4~rc1",
	"1.2.3.4+dfsg",
	"foo_1.2.3.4_amd64.deb",
	"libfoo-1.2.3.4.so",
	"libfoo.so.1.2.3.4",
	"foo-1.2.3.4.tar.gz",
	"foo==1.2.3.4",
	"/usr/share/nvidia_cusolver-12.0.4.66.dist-info",
	"Server/1.2.3.4",
	"ii  foo  1.2.3.4  amd64  a thing",
	"foo-1.2.3.4-5.el8.x86_64",
	"Linux 5.10.0-19-amd64",
	"6.1.0-18-cloud-amd64",
	"1.3.6.1.4.1.311",
	"1.3.6.1",
	"2.5.29.17",
	"1.2.840.113549.1.1.11",
	"section 4.2.1.3",
	"1.2.3",
	"1.2.3.4.5.6",
	"256.1.2.3",
	"1.2.3.400",
	"2024.01.02.03",
	"2026.11.23",
	"01.02.03.04",
	"0000:00:1f.2",
	"01:00.0 VGA",
	"metadata 169.254.169.254",
	"3.14159",
	"load 0.10 0.20 0.30",
	"backup-12-31-23-59",
	"range 1-2-3-4-5",
	"20-24-01-02-03",
	"2024-01-02",
	"DEADBEEF:12345",
	"chunk-0001A8C0:0016",
	"release 1.2.3.4",
	/* IPv6 */
	"inet6 {2a02:8070:1::5/64} scope global",
	"[{2a02:8070:1::5}]:443",
	"{fe80::1}%eth0",
	"{fe80::211:22ff:fe33:4455/64}",
	"{fd12:3456:789a:1::1}",
	"{2A02:8070:0001:0000:0000:0000:0000:0005}",
	"{2a02:8070:1:0:0:0:0:5}:443",
	"{::ffff:10.0.0.1}",
	"addr:{fe80::1}: ok",
	"{2a02:8070::/32} via {fe80::2}",
	"{64:ff9b::8.8.8.8}",
	"{2002:0808:0808::1}",
	"{ff02::1:ff33:4455}",
	"eth0:{fe80::1}",
	"{5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.7.0.8.2.0.a.2.ip6.arpa}",
	"{0.7.0.8.2.0.a.2.ip6.arpa}",
	"  0: {0280022A000000000000000001000000:0016} 00000000000000000000000000000000:0000 0A",
	"{fe80000000000000021122fffe334455} 02 40 20 80     eth0",
	"({2a02:8070::5}).",
	"{2600:1f18:1234:5678:9abc:def0:1234:5678}",
	"{2001:0:4136:e378:8000:63bf:3fff:fdd2}",
	/* none */
	"::1",
	"  0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A",
	"  0: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 0A",
	"00000000000000000000000000000001 01 80 10 80       lo",
	"::",
	"[::]:80",
	"ff02::1",
	"ff02::fb",
	"2001:db8::1",
	"3fff:123::1",
	"::ffff:127.0.0.1",
	"std::string",
	"abc::def",
	"dead::beef",
	"Foo::Bad::Ace",
	"12::34",
	"x86::a1",
	"Module::B2::c3",
	"12:34:56:78",
	"12:34:56.789",
	"2026-11-23T12:34:56Z",
	"00:00:00",
	"1:2:3:4:5:6:7",
	"adam:x:1000:1000::/srv:/bin/sh",
	"a::",
	"::before",
	"12345::1",
	"2a02:8070:1:2:3:4:5:6:7:8:9",
	"550e8400-e29b-41d4-a716-446655440000",
	"d41d8cd98f00b204e9800998ecf8427e  file",
	"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	/* MAC */
	"link/ether {00:11:22:33:44:55} brd ff:ff:ff:ff:ff:ff",
	"{00-11-22-33-44-55}",
	"{0011.2233.44aa}",
	"HWaddr {DE:AD:BE:EF:00:01}",
	"enx{001122334455}: flags",
	"01:{00:11:22:33:44:55} lease",
	"BOOTIF=01-{00-11-22-33-44-55}",
	"duid 00:01:00:01:2a:2b:2c:2d:{00:11:22:33:44:55}",
	"duid 00:03:00:01:{00:11:22:33:44:55}",
	"MAC={00:11:22:33:44:55}:{66:77:88:99:aa:bb}:08:00 SRC={10.0.0.1}",
	"MAC=ff:ff:ff:ff:ff:ff:{66:77:88:99:aa:bb}:08:00",
	"{02:42:ac:11:00:02}",
	"{00:11:22:ff:fe:33:44:55}",
	"ether:{00:11:22:33:44:55}",
	"{33:33:ff:33:44:55}",
	/* none */
	"00:00:00:00:00:00",
	"33:33:00:00:00:01",
	"01:00:5e:00:00:fb",
	"01:80:c2:00:00:00",
	"MD5 aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99",
	"SHA1 aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd",
	"11:22:33:44:55",
	"        4b:55:34:46:2a:8b:86:3b",
	"1234.5678.9012",
	"2019.1106.2112",
	"deadbeef.cafe.babe",
	"/dev/enx0011223344556677",
	"2026-11-23-12-00-00",
	/* hosts */
	"on {web01}: ready",
	"{web01.corp.acme.com}",
	"{WEB01.Corp.Acme.COM}.",
	"{db7.corp.acme.com}:5432",
	"{a.b.acme.com}",
	"zone {acme.com}",
	"/backup/{web01}-full.tar",
	"{web01}.other.tld",
	"https://{wiki.corp.acme.com}/page",
	"{db7.corp.acme.c}  pts/0",
	"{_ldap._tcp.corp.acme.com}",
	"{xn--mnchen-3ya.corp.acme.com}",
	"{m\303\274nchen.corp.acme.com}",
	"{frontend-production}",
	"{frontend-produ}",
	"{frontend-pro}+",
	"{db7.corp.acme.com}@ACMEX",
	/* none */
	"web010",
	"myweb01",
	"frontend",
	"acme.community",
	"corp.acme.com.evil.example",
	"notacme.comx",
	"localhost",
	"debian",
	/* users and persons */
	"for {alice} from",
	"user={alice},",
	"/home/{alice}/x",
	"/home/{zoe.q}/x",
	"DOM\\{Alice}",
	"{alice}@{web01}",
	"{alice}:x:1000",
	"{alice}.service",
	"{alice}_backup.sql {ALICE}",
	"{christopher} 12",
	"{christo}+ 12",
	"{christop} 12",
	"{Alice Example} said",
	"/home/{mark}/",
	"user {mark} logged in",
	"{mark}@pts",
	"/var/spool/cron/crontabs/{bob7}",
	/* none */
	"alices malice",
	"ALICE_HOME=/x MY_ALICE_DIR",
	"root@localhost",
	"/home/ubuntu/x",
	"/root/x",
	"to mark the date",
	"christmas",
	"alice2",
	/* mail */
	"{alice@acme.com}",
	"{Bob.Builder+x@mail.example.de},",
	"mailto:{bob@corp.acme.com}?x",
	"&lt;{bob@foo.museum}&gt;",
	"{git@hub.acme.com}:a/b",
	/* none */
	"user@1000.service",
	"getty@tty1.service",
	"aes128-gcm@openssh.com",
	"curve25519-sha256@libssh.org",
	"icon@2x.png",
	"foo@bar",
	"@app.route",
	"a@b.c",
	"pkg@1.2.3",
	"x@example.com",
	"me@host.invalid",
	/* site keywords */
	"project {bluebird}",
	"my{BlueBird}s",
	"/srv/{bluebird}_x",
	"{Operation Zulu} began",
	/* pseudonyms stay */
	"host-0a1b2c3d user-abc123 domain-abc123.invalid name-abc123 site-abc123",
	"user-abc123@domain-abc123.invalid",
};

struct marked {
	struct tl_buf text;
	const char *source;
	size_t from;
};

static int mark(void *arg, enum tl_identity_class class TL_UNUSED, size_t start, size_t end)
{
	struct marked *marked = arg;
	const char *source = marked->source;

	tl_buf_append(&marked->text, source + marked->from, start - marked->from);
	tl_buf_putc(&marked->text, '{');
	marked->from = end;
	while (end > start && source[end - 1] == ' ')
		end--;
	tl_buf_append(&marked->text, source + start, end - start);
	tl_buf_putc(&marked->text, '}');
	tl_buf_append(&marked->text, source + end, marked->from - end);
	return 0;
}

static void unmark(const char *row, struct tl_buf *text)
{
	for (; *row; row++)
		if (*row != '{' && *row != '}')
			tl_buf_putc(text, *row);
}

static void each_row_is_found_as_it_is_marked(void **state TL_UNUSED)
{
	tl_auto(tl_identities) struct tl_identities *identities = identity_sample(1);
	unsigned wrong = 0;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
		struct marked marked = {.text = TL_BUF_INIT(4096)};

		unmark(rows[i], &text);
		marked.source = tl_buf_str(&text);
		assert_int_equal(tl_identities_find(identities, text.data, text.len, mark, &marked),
				 0);
		tl_buf_puts(&marked.text, marked.source + marked.from);
		if (!tl_streq(tl_buf_str(&marked.text), rows[i])) {
			print_error("expected %s\nfound    %s\n", rows[i],
				    tl_buf_str(&marked.text));
			wrong++;
		}
		tl_buf_clear(&marked.text);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_found_as_it_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
