from __future__ import annotations

import pytest

from edge_recog.cameras.login import authorization


def test_the_example_of_rfc_7616_is_computed() -> None:
    """Section 3.9.1, with its MD5 and its SHA-256."""
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    expected = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, response in expected.items():
        answer = authorization(
            [challenge.format(algorithm)],
            user="Mufasa",
            password="Circle of Life",
            method="GET",
            target="/dir/index.html",
            nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )

        assert answer is not None
        assert answer.startswith('Digest username="Mufasa", realm="http-auth@example.org"')
        assert f'response="{response}"' in answer
        assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in answer


def test_the_example_of_rfc_2069_is_computed() -> None:
    """Section 2.4, as RFC 2069's erratum 749 has it: without qop."""
    answer = authorization(
        [
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ],
        user="Mufasa",
        password="CircleOfLife",
        method="GET",
        target="/dir/index.html",
    )

    assert answer is not None
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in answer


def answered(*challenges: str, user: str = "ann") -> str | None:
    return authorization(challenges, user=user, password="pw", method="GET", target="/")


def test_digest_goes_before_basic() -> None:
    answer = answered('Basic realm="x"', 'Digest realm="x", nonce="y"')

    assert answer is not None
    assert answer.startswith("Digest ")


@pytest.mark.parametrize(
    "digest",
    ['Digest realm="x", nonce="y", algorithm=SHA-512', 'Digest realm="a\\"b", nonce="y"'],
    ids=["algorithm", "quotes"],
)
def test_a_digest_that_is_not_known_leaves_basic(digest: str) -> None:
    assert answered(digest) is None
    assert answered(digest, 'BASIC realm="x"') == "Basic YW5uOnB3"


@pytest.mark.parametrize("challenges", [(), ("Bearer",), ("Negotiate abc",)])
def test_other_logins_are_not_answered(challenges: tuple[str, ...]) -> None:
    assert answered(*challenges) is None


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    assert answered('Digest realm="x", nonce="y"', user='ann", evil="') is None
