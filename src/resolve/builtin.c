#include "builtin.h"

const char *fl__builtin_root_hints(void)
{
	/* The NS and address records of InterNIC's named.root of 18 April 2024, unchanged
	 * since. */
	return ". 3600000 NS a.root-servers.net.\n"
	       "a.root-servers.net. 3600000 A 198.41.0.4\n"
	       "a.root-servers.net. 3600000 AAAA 2001:503:ba3e::2:30\n"
	       ". 3600000 NS b.root-servers.net.\n"
	       "b.root-servers.net. 3600000 A 170.247.170.2\n"
	       "b.root-servers.net. 3600000 AAAA 2801:1b8:10::b\n"
	       ". 3600000 NS c.root-servers.net.\n"
	       "c.root-servers.net. 3600000 A 192.33.4.12\n"
	       "c.root-servers.net. 3600000 AAAA 2001:500:2::c\n"
	       ". 3600000 NS d.root-servers.net.\n"
	       "d.root-servers.net. 3600000 A 199.7.91.13\n"
	       "d.root-servers.net. 3600000 AAAA 2001:500:2d::d\n"
	       ". 3600000 NS e.root-servers.net.\n"
	       "e.root-servers.net. 3600000 A 192.203.230.10\n"
	       "e.root-servers.net. 3600000 AAAA 2001:500:a8::e\n"
	       ". 3600000 NS f.root-servers.net.\n"
	       "f.root-servers.net. 3600000 A 192.5.5.241\n"
	       "f.root-servers.net. 3600000 AAAA 2001:500:2f::f\n"
	       ". 3600000 NS g.root-servers.net.\n"
	       "g.root-servers.net. 3600000 A 192.112.36.4\n"
	       "g.root-servers.net. 3600000 AAAA 2001:500:12::d0d\n"
	       ". 3600000 NS h.root-servers.net.\n"
	       "h.root-servers.net. 3600000 A 198.97.190.53\n"
	       "h.root-servers.net. 3600000 AAAA 2001:500:1::53\n"
	       ". 3600000 NS i.root-servers.net.\n"
	       "i.root-servers.net. 3600000 A 192.36.148.17\n"
	       "i.root-servers.net. 3600000 AAAA 2001:7fe::53\n"
	       ". 3600000 NS j.root-servers.net.\n"
	       "j.root-servers.net. 3600000 A 192.58.128.30\n"
	       "j.root-servers.net. 3600000 AAAA 2001:503:c27::2:30\n"
	       ". 3600000 NS k.root-servers.net.\n"
	       "k.root-servers.net. 3600000 A 193.0.14.129\n"
	       "k.root-servers.net. 3600000 AAAA 2001:7fd::1\n"
	       ". 3600000 NS l.root-servers.net.\n"
	       "l.root-servers.net. 3600000 A 199.7.83.42\n"
	       "l.root-servers.net. 3600000 AAAA 2001:500:9f::42\n"
	       ". 3600000 NS m.root-servers.net.\n"
	       "m.root-servers.net. 3600000 A 202.12.27.33\n"
	       "m.root-servers.net. 3600000 AAAA 2001:dc3::35\n";
}

const char *fl__builtin_trust_anchors(void)
{
	return ". IN DS 20326 8 2 "
	       "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
	       ". IN DS 38696 8 2 "
	       "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";
}
