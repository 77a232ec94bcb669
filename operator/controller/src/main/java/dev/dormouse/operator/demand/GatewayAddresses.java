package dev.dormouse.operator.demand;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

/** Where the gateways are now: one address each. */
@FunctionalInterface
public interface GatewayAddresses {

    /** @throws UnknownHostException while the name means nothing */
    Set<InetSocketAddress> resolve() throws UnknownHostException;

    /** Every address of the URL's host is one gateway, as a headless service lists them. */
    static GatewayAddresses of(URI url) {
        return () -> Arrays.stream(InetAddress.getAllByName(url.getHost()))
                .map(address -> new InetSocketAddress(address, url.getPort()))
                .collect(Collectors.toUnmodifiableSet());
    }
}
