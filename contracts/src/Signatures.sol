// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

interface IERC1271 {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}

/// Whether `signer` agreed to a digest. ECDSA first, so that an account with delegated code (EIP-7702) signs as the key that
/// it is; contract wallets (ERC-1271) second. ERC-6492 is left out on purpose: a wallet that is not deployed yet cannot have
/// approved a token, and nothing here calls a factory that a stranger names.
library Signatures {
    /// Half of the group order: the larger `s` of the two that fit a signature is refused (malleability).
    uint256 private constant S_MAX = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function isFrom(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signer == address(0)) return false; // what ecrecover answers when it fails
        if (signature.length == 65) {
            (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
            if (uint256(s) <= S_MAX && ecrecover(digest, uint8(signature[64]), r, s) == signer) return true;
        }
        if (signer.code.length == 0) return false;
        (bool ok, bytes memory answer) =
            signer.staticcall(abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
        return ok && answer.length >= 32 && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }
}
