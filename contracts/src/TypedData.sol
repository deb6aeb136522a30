// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates, Mandate} from "./IDuesMandates.sol";

/// What payers sign: EIP-712 typed data of this contract on this chain.
abstract contract TypedData is IDuesMandates {
    bytes32 private constant MANDATE_TYPEHASH = keccak256(
        "Mandate(address payer,address payee,address token,uint96 amount,uint8 unit,uint32 every,uint16 feeBps,uint40 start,uint16 periods,uint8 arrears,uint64 deadline,uint256 salt)"
    );
    bytes32 private constant CANCEL_TYPEHASH = keccak256("Cancel(uint96 id)");
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    bytes32 private immutable _domainAtDeployment;
    uint256 private immutable _chainIdAtDeployment;

    constructor() {
        _chainIdAtDeployment = block.chainid;
        _domainAtDeployment = _buildDomain();
    }

    /// The EIP-712 digest that the payer signs.
    function hashMandate(Mandate calldata m) public view returns (bytes32) {
        return _typedHash(keccak256(abi.encode(MANDATE_TYPEHASH, m)));
    }

    /// The id that the mandate has, registered or not: the first 12 bytes of its digest.
    function mandateId(Mandate calldata m) public view returns (uint96) {
        return _idOf(hashMandate(m));
    }

    /// The EIP-712 domain; another one after a fork that changes the chain id, so that no signature counts on both sides.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainIdAtDeployment ? _domainAtDeployment : _buildDomain();
    }

    function _hashCancel(uint96 id) internal view returns (bytes32) {
        return _typedHash(keccak256(abi.encode(CANCEL_TYPEHASH, id)));
    }

    function _idOf(bytes32 digest) internal pure returns (uint96) {
        return uint96(bytes12(digest));
    }

    function _typedHash(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), structHash));
    }

    function _buildDomain() private view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Dues Mandates"), keccak256("1"), block.chainid, address(this))
        );
    }
}
